"""Addresses under /auth/."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("users/", views.AccountViewSet.as_view({"post": "create"})),
    path("users/me/", views.AccountViewSet.as_view({"get": "me"})),
    path("users/set_password/", views.AccountViewSet.as_view({"post": "set_password"})),
    path("jwt/create/", views.SignInView.as_view()),
    path("jwt/refresh/", views.RefreshView.as_view()),
    path("jwt/verify/", views.VerifyView.as_view()),
    path("logout/", views.LogoutView.as_view()),
]
