# SPDX-License-Identifier: Apache-2.0
"""A model that says what a test wrote down: enough of OpenAI's Responses API and of Anthropic's Messages API for their own
command line agents to work with it, on the routes of a Stage.

    with Stage(yard, "api.openai.com") as stage:
        model = Model(stage, ["cat a.txt", "make test"], "All tests pass.")

Each text of the list is a shell command that the agent is told to run; what came of it is in `model.results`. How far a
conversation has come is read from the request itself (it holds the results of all commands so far), so a client that asks
again gets the same answer.
"""
import json
import threading


def event(kind, **data):
    return "event: %s\ndata: %s\n\n" % (kind, json.dumps(dict({"type": kind}, **data)))


def text_of(content):
    """Of a result: a string, or a list of parts with texts."""
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [])


class Model:
    def __init__(self, stage, commands, last="Done."):
        self.commands, self.last = commands, last
        self.results = {}  # number of the command → what the agent sent back
        self.keys = set()  # credentials that arrived, as (header, value)
        self.lock = threading.Lock()
        stage.routes["/v1/responses"] = self.responses
        stage.routes["/backend-api/codex/responses"] = self.responses
        stage.routes["/v1/messages"] = self.messages
        for path in ("/v1/models", "/backend-api/codex/models"):
            stage.routes[path] = lambda h: h.reply(200, '{"models": [], "data": []}', "application/json")
        stage.routes["/backend-api/wham/accounts/check"] = self.accounts
        stage.routes["/api/"] = lambda h: h.reply(200, "{}", "application/json")

    def note(self, handler, results):
        with self.lock:
            for name in ("Authorization", "X-Api-Key"):
                if handler.headers.get(name):
                    self.keys.add((name, handler.headers[name]))
            for i, text in enumerate(results):
                self.results[i] = text

    def accounts(self, h):  # of a ChatGPT login: where its workspace is served, which is here
        id = h.headers.get("Chatgpt-Account-Id")
        h.reply(200, json.dumps({"accounts": [{"id": id, "workspace_backend_origin": "https://chatgpt.com",
                                               "account_routing_override": "NO_CONSTRAINT"}], "account_ordering": [id]}), "application/json")

    # --- OpenAI: Responses ---------------------------------------------------------------------------------------

    def responses(self, h):
        if h.command != "POST":  # an offer of WebSocket, which this server does not take
            return h.reply(426, "{}", "application/json")
        items = json.loads(h.body)["input"]
        results = [text_of(i["output"]) for i in items if i.get("type") == "function_call_output"]
        self.note(h, results)
        done = len(results)
        if done < len(self.commands):
            item = {"type": "function_call", "id": "fc_%d" % done, "call_id": "call_%d" % done, "name": "exec_command",
                    "arguments": json.dumps({"cmd": self.commands[done]}), "status": "completed"}
        else:
            item = {"type": "message", "id": "msg_%d" % done, "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": self.last, "annotations": []}]}
        response = {"id": "resp_%d" % done, "object": "response", "status": "completed", "output": [item],
                    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
        h.reply(200, event("response.created", response=dict(response, status="in_progress", output=[])) +
                event("response.output_item.added", output_index=0, item=item) +
                event("response.output_item.done", output_index=0, item=item) +
                event("response.completed", response=response), "text/event-stream")

    # --- Anthropic: Messages --------------------------------------------------------------------------------------

    def messages(self, h):
        if "count_tokens" in h.path:
            return h.reply(200, '{"input_tokens": 1}', "application/json")
        request = json.loads(h.body)
        blocks = [b for m in request["messages"] if isinstance(m["content"], list) for b in m["content"]]
        results = [text_of(b.get("content")) for b in blocks if b.get("type") == "tool_result"]
        tools = [t["name"] for t in request.get("tools", [])]
        done = len(results)
        if "Bash" not in tools:  # a question beside the task: a title, a quota
            self.note(h, [])
            block = {"type": "text", "text": "ok"}
        else:
            self.note(h, results)
            block = {"type": "text", "text": self.last} if done >= len(self.commands) else \
                {"type": "tool_use", "id": "toolu_%d" % done, "name": "Bash", "input": {"command": self.commands[done], "description": "step %d" % done}}
        stop = "tool_use" if block["type"] == "tool_use" else "end_turn"
        message = {"id": "msg_%d" % done, "type": "message", "role": "assistant", "model": request["model"], "content": [block],
                   "stop_reason": stop, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        if not request.get("stream"):
            return h.reply(200, json.dumps(message), "application/json")
        if stop == "tool_use":
            start, delta = dict(block, input={}), {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        else:
            start, delta = dict(block, text=""), {"type": "text_delta", "text": block["text"]}
        h.reply(200, event("message_start", message=dict(message, content=[], stop_reason=None)) +
                event("content_block_start", index=0, content_block=start) + event("content_block_delta", index=0, delta=delta) +
                event("content_block_stop", index=0) +
                event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": 1}) +
                event("message_stop"), "text/event-stream")
