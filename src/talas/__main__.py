from talas.cli import app

app()
