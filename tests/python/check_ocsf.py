"""Holds every line of a file to the published schema of OCSF, by a validator that is not ours: `check_ocsf.py FILE`.

The schemas of all versions come with the library, so that nothing is asked of the network. Fields that a class does not
have are faults as well.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schemas, validators, faults, lines = {}, {}, [], 0
for line in open(sys.argv[1], encoding="utf-8"):
    lines += 1
    event = json.loads(line)
    version, uid = event["metadata"]["version"], event["class_uid"]
    if version not in schemas:
        schemas[version] = OcsfJsonSchemaEmbedded(get_ocsf_schema(version))
    if (version, uid) not in validators:
        name = schemas[version].lookup_class_name_from_uid(uid)
        validators[version, uid] = Draft202012Validator(schemas[version].get_class_schema(name))
    for fault in validators[version, uid].iter_errors(event):
        faults.append(f"line {lines}, class {uid}: {'/'.join(map(str, fault.path))}: {fault.message[:300]}")
if faults or not lines:
    sys.exit("\n".join(faults) or "nothing to check")
print(json.dumps({"lines": lines, "classes": sorted({uid for _, uid in validators})}))
