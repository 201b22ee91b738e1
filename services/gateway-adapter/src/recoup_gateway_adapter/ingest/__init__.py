"""Let webhooks in: verified before they are parsed, stored before they are acknowledged."""
