DOCS_PAGE = "<!doctype html>"
