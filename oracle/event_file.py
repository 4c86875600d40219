"""The event file that TensorBoard's own writer makes of some records of a log; and a check that TensorBoard reads a run's files.

Writes test/fixtures/train/log.jsonl and events.tfevents. Needs tensorboard 2.21.0.

    .venv/bin/python oracle/event_file.py                    # the fixture
    .venv/bin/python oracle/event_file.py --check STAGE      # the folder of a stage, of a run that may have been killed
"""

import json
import sys
from pathlib import Path

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

folder = Path(__file__).parent.parent / "test" / "fixtures" / "train"

records = [
    {"step": 0, "at": 1764082800123, "time": 40.0, "evaluation": {"loss": 2.5, "targets": 31, "answers": ["", "zwei Vögel"]}},
    {"step": 1, "at": 1764082801250, "steps": 300, "loss": 2.25, "targets": 12, "tokens": 90, "rate": 0.0, "norm": 1.5, "time": 450.0, "waited": 9.0, "memory": 734003200},
    {"step": 300, "at": 1764083101000, "steps": 300, "loss": 0.125, "targets": 9, "tokens": 64, "rate": 0.0003, "norm": 0.75, "time": 500.0, "waited": 0.0, "memory": 834003200, "metrics": {"rewards/margins": -0.5}},
    {"step": 300, "at": 1764083102000, "time": 41.0, "evaluation": {"loss": 1.75, "targets": 31, "metrics": {"accuracy": 0.625}, "answers": ["a tree", "two birds\nin it"]}},
]


def scalars(record):
    evaluation = record.get("evaluation")
    if evaluation:
        found = {"loss": evaluation.get("loss"), **evaluation.get("metrics", {})}
        return {f"eval/{name}": value for name, value in found.items() if value is not None}
    found = {
        "loss": record["loss"],
        "learning_rate": record["rate"],
        "grad_norm": record["norm"],
        "tokens_per_second": 1000 * record["tokens"] / record["time"] if record["time"] else None,
        "waiting": record["waited"] / record["time"] if record["time"] else None,
        "memory_bytes": record.get("memory"),
        **record.get("metrics", {}),
    }
    return {f"train/{name}": value for name, value in found.items() if value is not None}


def text(tag, value):
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype=DT_STRING, string_val=[value.encode()], tensor_shape=shape)
    return Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)


def summary(record):
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(record).items()]
    answers = record.get("evaluation", {}).get("answers", [])
    return Summary(value=values + [text(f"samples/{i}", answer) for i, answer in enumerate(answers)])


def make():
    with (folder / "events.tfevents").open("wb") as file:
        writer = RecordWriter(file)
        start = records[0]["at"] / 1000
        writer.write(Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
        # What a process writes that goes on behind step -1, which is from the beginning: what was there is taken back.
        writer.write(Event(wall_time=start, step=0, session_log=SessionLog(status=SessionLog.START)).SerializeToString())
        for record in records:
            event = Event(wall_time=record["at"] / 1000, step=record["step"], summary=summary(record))
            writer.write(event.SerializeToString())
    (folder / "log.jsonl").write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def check(stage):
    """Compares all that TensorBoard finds in a stage's event files with the stage's log."""
    sizes = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    found = event_accumulator.EventAccumulator(str(stage), size_guidance=sizes, purge_orphaned_data=True)
    found.Reload()
    expected = {}
    for line in (stage / "log.jsonl").read_text().splitlines():
        record = json.loads(line)
        for value in summary(record).value:
            number = value.simple_value if not value.HasField("tensor") else value.tensor.string_val[0]
            expected.setdefault(value.tag, []).append((record["step"], number))
    tags = found.Tags()
    read = {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        read[tag] = [(event.step, event.tensor_proto.string_val[0]) for event in found.Tensors(tag)]
    if read != expected:
        differing = [tag for tag in sorted({*read, *expected}) if read.get(tag) != expected.get(tag)]
        raise SystemExit(f"{stage}: differ: {differing[:3]}: {read.get(differing[0])} {expected.get(differing[0])}")
    print(f"{stage}: {len(read)} curves of {sum(map(len, read.values()))} values")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(Path(sys.argv[2]))
    else:
        make()
