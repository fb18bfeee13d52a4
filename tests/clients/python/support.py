"""What the tests of the Kubernetes client for Python share. KUBECONFIG says which server they are against."""

import json
import logging
import time
import unittest

from kubernetes import client, config, utils

NAMESPACE = "python"
PATIENCE_SECONDS = 60
POD = {"metadata": {"name": "nowhere", "labels": {"app": "nowhere"}},
       "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}]}}


def connect():
    logging.disable(logging.INFO)  # Of the election of leaders.
    config.load_kube_config()
    try:
        client.CoreV1Api().create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    except client.ApiException as error:
        if error.status != 409:
            raise
    within("the default account", lambda: refusal(
        client.CoreV1Api().read_namespaced_service_account, "default", NAMESPACE) is None)


def within(what, condition):
    end = time.monotonic() + PATIENCE_SECONDS
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within the time: {what}")
        time.sleep(0.02)
    return result


def refusal(call, *args, **more):
    """The Status that a refused request answers with; None where it was not refused."""
    try:
        call(*args, **more)
    except client.ApiException as error:
        status = json.loads(error.body)
        assert (status["kind"], status["code"]) == ("Status", error.status), status
        return status
    except utils.FailToCreateError as error:
        return json.loads(error.api_exceptions[0].body)
    return None


def retry_conflicts(call):
    """Controllers write too: what was read may be old."""
    for _ in range(20):
        try:
            return call()
        except client.ApiException as error:
            if error.status != 409:
                raise
    raise AssertionError("conflicts without end")


def config_map(name, labels=None, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels), data=data)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        connect()
        cls.core = client.CoreV1Api()

    def make(self, name, labels=None, **data):
        return self.core.create_namespaced_config_map(NAMESPACE, config_map(name, labels, **data))

    def delete(self, name):
        return self.core.delete_namespaced_config_map(name, NAMESPACE)

    def version(self):
        return self.core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
