#include "broker/journal/inspect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <functional>
#include <map>

#include "broker/journal/journal_file.h"
#include "broker/journal/json_line.h"
#include "broker/journal/schema.h"
#include "broker/journal/wal_scan.h"
#include "shared/messages/codec.h"
#include "shared/messages/journal.h"

namespace answermill::broker {
namespace {

using namespace messages;

struct SeenRow {
  std::int64_t id = 0;
  std::int64_t at = 0;
  std::string key;
  std::string value;
  bool intact = false;
};

// One snapshot of the file, whatever its broker does meanwhile.
Result<store::Database> open_snapshot(const std::string& path) {
  auto database = store::Database::open_read_only(path);
  if (!database) return database.error();
  const auto version = database->user_version();
  if (!version) return version.error();
  if (*version != kJournalVersion) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("the journal has version {}, this program reads {}; {}", *version, kJournalVersion,
                    *version < kJournalVersion ? "a start of the broker brings it here"
                                               : "a newer Answermill wrote it")};
  }
  if (auto begun = database->execute("BEGIN"); !begun) return begun.error();
  return database;
}

// While a broker writes, the log cannot be read past SQLite's locks.
bool broker_runs(const std::string& path) {
  const UniqueFd lock(::open((path + ".lock").c_str(), O_RDONLY | O_CLOEXEC));
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

Status each_row(store::Database& database, JournalTable table, const std::function<void(SeenRow)>& take) {
  auto query = database.prepare(std::string("SELECT id, at, key, value, sum FROM ") +
                                kJournalTableNames[static_cast<std::size_t>(table)] + " ORDER BY id");
  if (!query) return query.error();
  while (true) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return {};
    SeenRow seen{query->integer(0), query->integer(1), query->text(2), query->text(3), false};
    seen.intact = query->integer(4) ==
                  static_cast<std::int64_t>(journal_checksum(table, seen.id, seen.at, seen.key, seen.value));
    take(std::move(seen));
  }
}

std::string_view name_of(GroupState state) {
  switch (state) {
    case GroupState::kRunning:
      return "running";
    case GroupState::kCompleting:
      return "completing";
    case GroupState::kCancelled:
      return "cancelled";
    case GroupState::kDone:
      return "done";
  }
  return "unknown";
}

// What a row is doing, for the counts; empty when it does not decode.
std::string state_of(JournalTable table, const SeenRow& row) {
  switch (table) {
    case JournalTable::kJob: {
      const auto job = decode<StoredJob>(row.value);
      if (!job) return {};
      const bool failed = job->crashes + job->failures > 0;
      return job->spec.stage + (failed ? " failed before" : job->attempt > 0 ? " tried" : " waiting");
    }
    case JournalTable::kGroup: {
      const auto group = decode<StoredGroup>(row.value);
      return group ? std::string(name_of(group->progress.state)) : "";
    }
    case JournalTable::kStream:
      return decode<StoredStream>(row.value) ? "open" : "";
    case JournalTable::kRequest:
      return decode<StoredRequest>(row.value) ? "remembered" : "";
  }
  return {};
}

class Check {
 public:
  Check(store::Database& database, std::FILE* out) : database_(database), out_(out) {}

  Status table(JournalTable which) {
    const char* name = kJournalTableNames[static_cast<std::size_t>(which)];
    JournalLedger ledger;
    std::int64_t changed = 0;
    std::map<std::string, std::int64_t> states;
    auto read = each_row(database_, which, [&](const SeenRow& row) {
      const std::string state = state_of(which, row);
      ++states[!row.intact ? "DAMAGED" : state.empty() ? "NOT READABLE" : state];
      changed += row.intact && !state.empty() ? 0 : 1;
      ledger.add(journal_checksum(which, row.id, row.at, row.key, row.value));
    });
    if (!read) return read;
    fmt::print(out_, "{:<10} {:>9} rows", name, ledger.rows);
    for (const auto& [state, count] : states) fmt::print(out_, "  {} {}", state, count);
    fmt::print(out_, "\n");
    if (changed > 0) complain(fmt::format("{} rows of {} are damaged", changed, name));
    const auto stored = read_meta(database_, name);
    if (!stored) {
      complain(stored.error().message);
    } else if (stored->first != ledger.rows) {
      complain(fmt::format("{} has {} rows of {}", name, ledger.rows, stored->first));
    } else if (changed == 0 && static_cast<std::uint64_t>(stored->second) != ledger.digest) {
      complain(fmt::format("{} has other rows than were committed", name));
    }
    return {};
  }

  Status structure() {
    auto query = database_.prepare("PRAGMA integrity_check(20)");
    if (!query) return query.error();
    while (true) {
      auto row = query->step();
      if (!row) return row.error();
      if (!*row) return {};
      if (query->view(0) != "ok") complain(query->text(0));
    }
  }

  void complain(const std::string& what) {
    whole_ = false;
    fmt::print(out_, "damage: {}\n", what);
  }
  bool whole() const { return whole_; }

 private:
  store::Database& database_;
  std::FILE* out_;
  bool whole_ = true;
};

Status check_all(const std::string& path, std::FILE* out, bool& whole) {
  const bool runs = broker_runs(path);
  if (!runs) {
    if (auto log = check_wal(path + "-wal"); !log) return log;
  }
  auto database = open_snapshot(path);
  if (!database) return database.error();
  Check check(*database, out);
  const auto boot = read_meta(*database, "boot");
  fmt::print(out, "{}: version {}, boot {}{}\n", path, kJournalVersion, boot ? boot->first : 0,
             runs ? ", a broker is running" : "");
  if (!boot) check.complain(boot.error().message);
  for (std::size_t i = 0; i < kJournalTables; ++i) {
    if (auto read = check.table(static_cast<JournalTable>(i)); !read) return read;
  }
  const auto aside = database->integer("SELECT count(*) FROM damaged");
  if (!aside) return aside.error();
  if (*aside > 0) fmt::print(out, "{:<10} {:>9} rows were set aside at earlier starts\n", "damaged", *aside);
  if (auto structure = check.structure(); !structure) return structure;
  whole = check.whole();
  return {};
}

JsonLine json_of(const JobSpec& spec) {
  JsonLine line;
  line.text("id", spec.id).text("stage", spec.stage).text("op", spec.op).text("tenant", spec.tenant);
  line.text("request_id", spec.request_id).text("group", spec.group).text("stream", spec.stream);
  line.text("routing_key", spec.routing_key);
  constexpr const char* kPriorities[] = {"interactive", "normal", "bulk"};
  line.text("priority", kPriorities[std::min<std::size_t>(static_cast<std::size_t>(spec.priority), 2)]);
  line.text("durability", spec.durability == Durability::kStrict ? "strict" : "relaxed");
  return line.number("units", spec.units)
      .number("deadline_ms", spec.deadline_ms)
      .bytes("payload", spec.payload);
}

JsonLine json_of(const StreamState& state) {
  std::vector<JsonLine> events;
  for (const auto& event : state.events) {
    JsonLine line;
    line.number("first_seq", static_cast<std::int64_t>(event.first_seq));
    line.number("last_seq", static_cast<std::int64_t>(event.last_seq));
    line.number("kind", static_cast<std::int64_t>(event.kind));
    line.number("offset", static_cast<std::int64_t>(event.offset));
    events.push_back(event.kind == StreamEventKind::kToken ? line.text("text", event.data)
                                                           : line.bytes("data", event.data));
  }
  JsonLine line;
  line.text("id", state.stream).number("epoch", static_cast<std::int64_t>(state.epoch));
  line.number("next_seq", static_cast<std::int64_t>(state.next_seq)).text("text", state.text);
  return line.array("events", events);
}

void add_decoded(JsonLine& line, const StoredJob& job) {
  line.object("job", json_of(job.spec)).number("attempt", job.attempt).number("crashes", job.crashes);
  line.number("failures", job.failures).bytes("attachment", job.attachment);
  line.text("completes_group", job.completes_group).text("completes_stream", job.completes_stream);
  if (!job.stream.stream.empty()) line.object("shown", json_of(job.stream));
}

void add_decoded(JsonLine& line, const StoredGroup& group) {
  const auto& progress = group.progress;
  line.text("topic", group.spec.topic).text("subject", group.spec.subject);
  line.number("generation", group.spec.generation).text("state", name_of(progress.state));
  std::vector<JsonLine> stages;
  for (const auto& stage : progress.stages) {
    stages.push_back(JsonLine()
                         .text("stage", stage.stage)
                         .number("done", static_cast<std::int64_t>(stage.done))
                         .number("total", static_cast<std::int64_t>(stage.total)));
  }
  std::vector<JsonLine> counters;
  for (const auto& counter : progress.counters) {
    counters.push_back(JsonLine().text("name", counter.name).number("value", counter.value));
  }
  std::vector<JsonLine> failures;
  for (const auto& failure : progress.failures) {
    failures.push_back(JsonLine()
                           .text("job", failure.job)
                           .text("stage", failure.stage)
                           .text("op", failure.op)
                           .text("code", to_string(failure.code))
                           .text("message", failure.message)
                           .number("units", failure.units)
                           .bytes("payload", failure.payload));
  }
  line.array("stages", stages).array("counters", counters).array("failures", failures);
  line.object("completion", json_of(group.spec.completion));
}

void add_decoded(JsonLine& line, const StoredStream& stream) {
  line.text("tenant", stream.tenant).object("completion", json_of(stream.spec.completion));
}

void add_decoded(JsonLine& line, const StoredRequest& request) {
  line.text("job", request.job).text("stream", request.stream).text("digest", request.digest);
}

template <class Stored>
void add_row(JsonLine& line, const std::string& value) {
  if (const auto stored = decode<Stored>(value)) {
    add_decoded(line, *stored);
  } else {
    line.bytes("value", value);
  }
}

JsonLine json_of(JournalTable table, const SeenRow& row) {
  JsonLine line;
  line.text("table", kJournalTableNames[static_cast<std::size_t>(table)]).number("id", row.id);
  line.number("at", row.at).flag("intact", row.intact).text("key", row.key);
  switch (table) {
    case JournalTable::kJob:
      add_row<StoredJob>(line, row.value);
      break;
    case JournalTable::kGroup:
      add_row<StoredGroup>(line, row.value);
      break;
    case JournalTable::kStream:
      add_row<StoredStream>(line, row.value);
      break;
    case JournalTable::kRequest:
      add_row<StoredRequest>(line, row.value);
      break;
  }
  return line;
}

Status export_all(const std::string& path, std::FILE* out) {
  auto database = open_snapshot(path);
  if (!database) return database.error();
  for (const auto table :
       {JournalTable::kRequest, JournalTable::kGroup, JournalTable::kStream, JournalTable::kJob}) {
    auto read = each_row(*database, table,
                         [&](const SeenRow& row) { fmt::print(out, "{}\n", json_of(table, row).str()); });
    if (!read) return read;
  }
  auto query = database->prepare("SELECT origin, id, key, value, at FROM damaged ORDER BY rowid");
  if (!query) return query.error();
  while (true) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return {};
    JsonLine line;
    line.text("table", "damaged").text("origin", query->view(0)).number("id", query->integer(1));
    line.text("key", query->view(2)).bytes("value", query->view(3)).number("set_aside_at", query->integer(4));
    fmt::print(out, "{}\n", line.str());
  }
}

}  // namespace

int check_journal(const std::string& path, std::FILE* out) {
  bool whole = false;
  const auto checked = check_all(path, out, whole);
  if (!checked) fmt::print(out, "damage: {}\n", checked.error().message);
  if (whole) fmt::print(out, "the journal is whole\n");
  if (!whole) fmt::print(out, "THE JOURNAL IS NOT WHOLE: keep a copy of the folder before anything else\n");
  return whole ? 0 : 1;
}

int export_journal(const std::string& path, std::FILE* out) {
  const auto exported = export_all(path, out);
  if (!exported) fmt::print(stderr, "{}\n", exported.error().message);
  return exported ? 0 : 1;
}

}  // namespace answermill::broker
