"""fhirpy, unmodified, with a token it was given: it pages through, searches, counts, includes and resolves."""

import json
import sys

from fhirpy import SyncFHIRClient

given = json.loads(sys.argv[1])
client = SyncFHIRClient(given["fhirBase"], authorization=f"Bearer {given['token']}")
claims = client.resources("ExplanationOfBenefit").search(patient=given["patient"])

told = {
    "all": [one.id for one in claims.limit(10).fetch_all()],
    "iterated": [one.id for one in claims.limit(10)],
    "first_page": len(claims.limit(10).fetch()),
    "count": claims.count(),
    "some": [one.id for one in claims.search(service_date__ge=given["since"]).fetch_all()],
    "one": claims.search(_id=given["one"]).get().id,
    "included": [
        one.id
        for one in claims.search(_id=given["one"]).include("ExplanationOfBenefit", "provider").fetch_raw().entry
        if one.search.mode == "include"
        for one in [one.resource]
    ],
    "patient": client.reference("Patient", given["patient"]).to_resource().id,
    "named": claims.first().patient.to_resource().id,
}
print(json.dumps(told))
