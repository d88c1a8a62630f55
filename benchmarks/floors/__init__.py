"""The hand-written loops that the product is measured against, and the server that both read from.

They know nothing of tieout: a floor that shares code with the product measures nothing.
"""
