"""The realtime core: the hardened channel layer, the hint path and the WebSocket tier."""
