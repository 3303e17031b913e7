"""Addresses under /api/chats/."""

from django.urls import path

from chat import views

urlpatterns = [
    path("", views.ChatsView.as_view()),
    path("<str:uri>/", views.ChatView.as_view()),
    path("<str:uri>/members/<str:username>/", views.MemberView.as_view()),
    path("<str:uri>/messages/", views.MessagesView.as_view()),
    path("<str:uri>/read/", views.ReadView.as_view()),
]
