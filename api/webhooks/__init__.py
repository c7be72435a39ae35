"""Webhooks: entries sent on to whoever registered for them; see docs/webhooks.md."""
