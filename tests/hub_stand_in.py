"""A stand-in of the Hugging Face hub on loopback: the endpoints that `push` and `pull` use.

Repositories are in memory; the fields of `Hub` make it misbehave.
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LFS_SIZE = 10_000
"""Files from this size on are uploaded apart from the commit, as the hub wants it for weights."""


@dataclass
class Repository:
    is_private: bool = False
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files of each commit."""

    def files(self, revision):
        """Files of a branch or commit; None for an unknown one."""
        return self.branches.get(revision, self.commits.get(revision))


@dataclass
class Hub:
    """The state of the stand-in, which tests look at and change."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by their SHA-256."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    cut_after: dict[str, int] = field(default_factory=dict)
    """Bytes after which the download of a file breaks, by name."""
    false_sizes: dict[str, int | None] = field(default_factory=dict)
    """Sizes that are told instead of the true ones, by name."""
    refuses: int | None = None
    """Status of the answer to every request."""
    endpoint: str = ""

    def put(self, repository, files, branch="main"):
        """Make a repository with these files, by name."""
        there = self.repositories.setdefault(repository, Repository())
        there.branches[branch] = dict(files)


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def handle_one(self):
        path = unquote(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.hub.requests.append((self.command, path))
        if self.hub.refuses is not None:
            return self.answer({"error": "not now"}, self.hub.refuses)
        for method, pattern, act in ROUTES:
            found = re.fullmatch(pattern, path)
            if method == self.command and found:
                return act(self, body, *found.groups())
        return self.answer({"error": f"no endpoint {self.command} {path}"}, 404)

    do_GET = do_POST = do_PUT = handle_one

    def answer(self, content, status=200, code=None):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(data)

    def files_at(self, name, revision):
        """Files of a revision; None, after an error was answered, where there is none."""
        repository = self.hub.repositories.get(name)
        if repository is None:
            self.answer({"error": "Repository not found"}, 404, "RepoNotFound")
            return None
        files = repository.files(revision or "main")
        if files is None:
            self.answer({"error": "Invalid rev id"}, 404, "RevisionNotFound")
        return files

    def info(self, body, name, revision=None):
        files = self.files_at(name, revision)
        if files is None:
            return
        repository = self.hub.repositories[name]
        commit = digest(json.dumps({n: digest(c) for n, c in files.items()}).encode())[:40]
        repository.commits[commit] = files
        siblings = [
            {"rfilename": n, "size": self.hub.false_sizes.get(n, len(content))}
            for n, content in files.items()
        ]
        self.answer(
            {"id": name, "sha": commit, "private": repository.is_private, "siblings": siblings}
        )

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        address = {"url": f"{self.hub.endpoint}/{name}"}
        if name in self.hub.repositories:
            return self.answer({"error": "You already created this model repo", **address}, 409)
        is_private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repositories[name] = Repository(is_private)
        return self.answer(address)

    def branch(self, body, name, branch):
        branches = self.hub.repositories[name].branches
        branches.setdefault(branch, dict(branches["main"]))
        self.answer({})

    def validate(self, body):
        self.answer({"errors": [], "warnings": []})

    def preupload(self, body, name, revision):
        if self.files_at(name, revision) is None:
            return
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] >= LFS_SIZE else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self.answer({"files": files})

    def batch(self, body, name):
        objects = [
            {
                **wanted,
                "actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{wanted['oid']}"}},
            }
            for wanted in json.loads(body)["objects"]
        ]
        self.answer({"objects": objects, "transfer": "basic"})

    def store(self, body, oid):
        self.hub.stored[oid] = body
        self.answer({})

    def commit(self, body, name, revision):
        files = self.files_at(name, revision)
        if files is None:
            return
        for line in body.decode().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        self.answer(
            {"commitUrl": f"{self.hub.endpoint}/{name}/commit/{'0' * 40}", "commitOid": "0" * 40}
        )

    def download(self, body, name, revision, file):
        files = self.files_at(name, revision)
        if files is None:
            return
        if file not in files:
            self.answer({"error": "Entry not found"}, 404, "EntryNotFound")
            return
        content = files[file]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.hub.cut_after.get(file)
        self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self.close_connection = True


NAME = "([^/]+/[^/]+)"
ROUTES = (
    ("GET", f"/api/models/{NAME}", Handler.info),
    ("GET", f"/api/models/{NAME}/revision/(.+)", Handler.info),
    ("POST", "/api/repos/create", Handler.create),
    ("POST", f"/api/models/{NAME}/branch/(.+)", Handler.branch),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("POST", f"/api/models/{NAME}/preupload/(.+)", Handler.preupload),
    ("POST", f"/{NAME}.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", "/lfs/([0-9a-f]+)", Handler.store),
    ("POST", f"/api/models/{NAME}/commit/(.+)", Handler.commit),
    ("GET", f"/{NAME}/resolve/([^/]+)/(.+)", Handler.download),
)


def start():
    """A hub that answers on loopback, and the server to shut down."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return hub, server
