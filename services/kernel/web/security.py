"""The header fields that every response of the API has, as OWASP's REST Security Cheat Sheet lists.

No response is a page: a browser must not guess its type, render it, frame it or store it. The
published documents alone may be cached.
"""

NO_STORE = "no-store"
SECURITY_HEADERS = {
    "Cache-Control": NO_STORE,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
