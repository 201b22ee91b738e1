"""The customer's pages over HTTP. A GET never has an effect; a form is ours or it is refused."""
