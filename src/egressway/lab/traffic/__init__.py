"""The lab's own origins and clients: programs that say what they saw.

They share no code with the product: HTTP is written out here as bytes, so that a mistake of the product
does not meet the same mistake on the other side.
"""
