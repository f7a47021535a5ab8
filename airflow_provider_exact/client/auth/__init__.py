"""OAuth2 for Exact Online: grants, token pairs, token providers and token stores."""
