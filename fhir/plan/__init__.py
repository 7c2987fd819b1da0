"""The plan's own base (`/plan/fhir/r4`): its programs create, update and delete, one by one or in a batch."""
