"""What listeners do with tracks."""

from talas.domains.listening.likes.routes import api_routes as like_routes

api_routes = [*like_routes]
