"""The library as a JSON API: FastAPI in front, ``monochat_billing`` behind, no rule in between."""
