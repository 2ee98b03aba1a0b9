"""The pages behind the link of a mail: one asks, since programs follow links too; one thanks."""

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Talas</title>
"""
ASK_PAGE = f"""{_HEAD}<h1>No more mails?</h1>
<p>Talas tells you by mail what you missed in the chat.</p>
<form method="post"><button>Send me no more of these mails</button></form>
</html>
"""
DONE_PAGE = f"""{_HEAD}<h1>Done</h1>
<p>You will get no more mails of what you missed in the chat.</p>
</html>
"""
HEADERS = {
    "Content-Security-Policy": "; ".join(
        ("default-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'")
    ),
    "X-Content-Type-Options": "nosniff",
    # The address holds the token.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
