"""The check itself: sound documents pass, and each kind of fault is found. Run with `python -m unittest`."""

import copy
import io
import pathlib
import shutil
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

import yaml

import validate

APIS = pathlib.Path(__file__).resolve().parents[2] / "policies" / "apis"


class TheCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def finds(self, api, change, fault, file="openapi.yaml"):
        """Changes one document of a copy of the API's folder, and expects this fault."""
        folder = shutil.copytree(APIS / api, self.folder / api)
        document = copy.deepcopy(validate.load(folder / file))
        change(document)
        (folder / file).write_text(yaml.safe_dump(document, sort_keys=False))
        self.says(sorted(map(str, folder.glob("*openapi.yaml"))), fault)

    def says(self, files, fault):
        told, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(told), redirect_stderr(errors):
            code = validate.main(files)
        self.assertEqual(code, 1, told.getvalue())
        self.assertIn(fault, errors.getvalue())

    def test_the_documents_as_they_are_have_no_fault(self):
        told, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(told), redirect_stderr(errors):
            code = validate.main(sorted(map(str, APIS.glob("*/*openapi.yaml"))))
        self.assertEqual((code, errors.getvalue()), (0, ""))

    def test_no_document_is_a_fault(self):
        with redirect_stdout(io.StringIO()):
            self.assertEqual(validate.main([]), 1)

    def test_a_document_that_is_no_openapi(self):
        self.finds("cloudnexus", lambda it: it["info"].pop("title"), "'title' is a required property")

    def test_an_operation_of_the_reference_that_is_missing(self):
        self.finds("cloudnexus", lambda it: it["paths"].pop("/buckets"), "GET /buckets: is in the reference, not in the document")

    def test_a_parameter_of_the_reference_that_is_missing(self):
        def change(it):
            it["paths"]["/v2/network/vpcs"]["get"]["parameters"].pop()

        self.finds("novastraxis", change, "parameter include_subnets is in the reference, not in the document")

    def test_a_bound_that_was_lifted(self):
        def change(it):
            parameters = it["paths"]["/instances"]["get"]["parameters"]
            next(it for it in parameters if it["name"] == "limit")["schema"].pop("maximum")

        self.finds("cloudnexus", change, "limit is not bounded by")

    def test_a_word_that_was_added_to_a_documented_list(self):
        def change(it):
            it["components"]["schemas"]["InstanceRequest"]["properties"]["plan"]["enum"].append("huge")

        self.finds("cloudnexus", change, "plan is not one of nano, micro, standard, performance")

    def test_an_error_of_the_reference_that_is_missing(self):
        self.finds("cloudnexus", lambda it: it["paths"]["/buckets"]["get"]["responses"].pop("429"), "GET /buckets: 429 is in the reference")

    def test_a_refusal_of_the_gateway_that_is_not_declared(self):
        self.finds("novastack", lambda it: it["paths"]["/models"]["get"]["responses"].pop("504"), "GET /models: does not declare 504")

    def test_an_operation_id_that_is_used_twice_in_one_api(self):
        def change(it):
            it["paths"]["/"]["get"]["operationId"] = "listBuckets"

        self.finds("cloudnx", change, "listBuckets: is both", file="s3.openapi.yaml")

    def test_an_example_that_does_not_fit_its_schema(self):
        def change(it):
            it["paths"]["/servers"]["post"]["requestBody"]["content"]["application/json"]["example"]["count"] = "two"

        self.finds("cloudnexus-servers", change, "example/count: 'two' is not of type 'integer'")

    def test_an_example_of_a_parameter_that_does_not_fit(self):
        def change(it):
            it["paths"]["/v2/compute/instances/{id}"]["parameters"][0]["example"] = ""

        self.finds("novastraxis", change, "example: '' should be non-empty")

    def test_an_xml_example_that_lacks_a_member(self):
        def change(it):
            content = it["paths"]["/{bucket}/{key}#uploads"]["post"]["responses"]["200"]["content"]["application/xml"]
            content["example"] = "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key></InitiateMultipartUploadResult>"

        self.finds("cloudnx", change, "InitiateMultipartUploadResult has no UploadId", file="s3.openapi.yaml")

    def test_a_refusal_worded_otherwise_than_the_dialect(self):
        def change(it):
            it["components"]["responses"]["RateLimited"]["content"]["application/json"]["example"]["error_code"] = "conflict"

        self.finds("novastraxis", change, "RateLimited: shows conflict")

    def test_a_scope_that_is_not_the_one_granted(self):
        def change(it):
            it["paths"]["/buckets"]["get"]["security"] = [{"api_key": ["storage:list"]}]

        self.finds("cloudnexus", change, "listBuckets is granted to")

    def test_an_operation_that_forgets_to_say_who_may_ask(self):
        self.finds("novastack", lambda it: it["paths"]["/models"]["get"].pop("security"), "does not say who may ask")

    def test_servers_that_the_profile_does_not_serve(self):
        self.finds("novastack", lambda it: it["servers"].append({"url": "https://example.com"}), "servers are")

    def test_a_key_that_is_written_twice(self):
        file = self.folder / "twice.yaml"
        file.write_text("openapi: '3.1.0'\nopenapi: '3.1.0'\n")
        self.says([str(file)], "written twice: openapi")


if __name__ == "__main__":
    unittest.main()
