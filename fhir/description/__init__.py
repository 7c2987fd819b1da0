"""What others read to know the API: the CapabilityStatement, and our part of the OpenAPI document."""
