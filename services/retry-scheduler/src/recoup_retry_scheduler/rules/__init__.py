"""What networks, schemes, codes and the merchant forbid: pure, decided from facts and an instant that is an argument.

`verdict.allowed` is the door: it gives the instants that are allowed, or says which rule forbids a try and until when.
Whoever ranks those instants never widens them.
"""
