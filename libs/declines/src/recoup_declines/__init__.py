"""Decline codes of every gateway, network and bank scheme, classified, each with its source."""
