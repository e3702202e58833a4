"""The drop-in for ccxt."""
