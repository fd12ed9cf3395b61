"""What an authorization server says about itself: OpenID Connect Discovery 1.0, Microsoft's and the plain way."""

import json

from .token_answers import Fault


def microsoft(base_url, tenant, region="EU", cloud="microsoftonline.com"):
    """The document of https://login.microsoftonline.com/{tenant}/v2.0."""
    return _document(
        {
            "token_endpoint": f"{base_url}/{tenant}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base_url}/{tenant}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{base_url}/{tenant}/v2.0",
            "authorization_endpoint": f"{base_url}/{tenant}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base_url}/{tenant}/oauth2/v2.0/devicecode",
            "tenant_region_scope": region,
            "cloud_instance_name": cloud,
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }
    )


def plain(base_url):
    """The document of anybody else."""
    return _document(
        {
            "issuer": base_url,
            "authorization_endpoint": f"{base_url}/authorize",
            "token_endpoint": f"{base_url}/token",
            "device_authorization_endpoint": f"{base_url}/devicecode",
            "jwks_uri": f"{base_url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


def _document(facts):
    return Fault(status=200, body=json.dumps(facts))
