"""The SMART authorization server, on Authlib: requests, codes, tokens, clients, discovery, protector."""
