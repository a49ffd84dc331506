#!/usr/bin/env python3
import json, os, signal, socket, sys, time

stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))

def train(order, emit):
    steps, checkpoint = order["blueprint"]["train"]["steps"], os.path.join(order["directory"], "step")
    members = [member for member in order["members"] if member["id"] not in order.get("without", [])]
    before = [os.path.join(os.path.dirname(parent["checkpoint"]), "step") for parent in order.get("parents", [])]
    known = [checkpoint] if order["resume"] and os.path.exists(checkpoint) else before  # All parents are at one step.
    first = int(open(known[0]).read()) if known and all(map(os.path.exists, known)) else 0
    emit("started", step=first, pid=os.getpid(), host=socket.gethostname(), device=order["device"])
    for step in range(first + 1, steps + 1):
        time.sleep(0.001)  # one step of all members
        if step % 100 == 0 or stopped:
            emit("progress", step=step, rate=1000.0 * len(members))
            with open(checkpoint + ".new", "w") as file:
                file.write(str(step))
            os.replace(checkpoint + ".new", checkpoint)
            emit("checkpointed", step=step)
        if stopped and step < steps:
            return emit("ended", outcome="stopped", message="")
    for member in members:
        score = {"metric": "wasserstein", "value": 1.0 / (1 + member["seed"]), "protocol": {"samples": 0}}
        emit("scored", job=member["id"], step=steps, scores=[score], seconds=0.0)
        emit("job_done", job=member["id"], step=steps, seconds=0.001 * steps)
    emit("ended", outcome="finished", message="")

for path in sys.stdin:
    order = json.load(open(path.strip()))
    with open(order["events"], "x") as log:
        def write(line):
            print(json.dumps(line), file=log, flush=True)
            print(flush=True)  # tells the orchestrator to look
        numbers = iter(range(1 << 62))
        write({"protocol": 3, "cohort": order["cohort"], "attempt": order["attempt"]})
        train(order, lambda kind, **event: write({"seq": next(numbers), "at": time.time(), "event": {kind: event}}))
    if stopped:
        break
