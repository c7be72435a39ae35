"""What browsers are told to refuse, so that a mistake in a page harms less."""

from typing import Final

OF_EVERY_ANSWER: Final = (("X-Content-Type-Options", "nosniff"),)

OVER_TLS: Final = (("Strict-Transport-Security", "max-age=31536000"),)
"""For a year, this name is asked over TLS only (RFC 6797)."""

_POLICY: Final = (
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)


def of_page(*directives: str) -> dict[str, str]:
    """The headers of a page that loads only what is served here, but for ``directives`` of its
    content security policy.
    """
    return {
        "Content-Security-Policy": "; ".join([*_POLICY, *directives]),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
    }
