"""What listeners do with tracks."""

from talas.domains.listening.comments.routes import api_routes as comment_routes
from talas.domains.listening.likes.routes import api_routes as like_routes
from talas.domains.listening.plays.routes import api_routes as play_routes

api_routes = [*like_routes, *play_routes, *comment_routes]
