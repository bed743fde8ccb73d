#include <cstdio>

#include "broker/broker_loop.h"
#include "broker/journal/inspect.h"
#include "shared/config/config.h"
#include "shared/log/log.h"

int main(int argc, char** argv) {
  using namespace answermill;
  broker::BrokerOptions options;
  bool check_journal = false;
  bool export_journal = false;
  config::Table table("answermill-broker", "Keeps jobs, hands them to workers and relays their events.");
  table.text("data", &options.data, {"ANSWERMILL_DATA_DIR"}, "DIR", "folder of the journal")
      .text("jobs-endpoint", &options.jobs, {"ANSWERMILL_JOBS_ENDPOINT"}, "ENDPOINT",
            "where submissions come in")
      .text("work-endpoint", &options.work, {"ANSWERMILL_WORK_ENDPOINT"}, "ENDPOINT", "where workers connect")
      .text("events-endpoint", &options.events, {"ANSWERMILL_EVENTS_ENDPOINT"}, "ENDPOINT",
            "where frontends listen")
      .text("worker-events-endpoint", &options.worker_events, {"ANSWERMILL_WORKER_EVENTS_ENDPOINT"},
            "ENDPOINT", "where workers publish")
      .text("query-endpoint", &options.query, {"ANSWERMILL_QUERY_ENDPOINT"}, "ENDPOINT",
            "where streams are replayed")
      .text("blobs-endpoint", &options.blobs, {"ANSWERMILL_BLOBS_ENDPOINT"}, "ENDPOINT",
            "where workers without the data folder fetch documents")
      .integer("blob-rate", &options.blob_rate, 0, std::int64_t{1} << 40, {"ANSWERMILL_BLOB_RATE"}, "BYTES",
               "most bytes of documents sent to workers in a second; 0 for no limit")
      .text("bus-listen", &options.bus, {"ANSWERMILL_BUS_LISTEN"}, "tcp://HOST:PORT",
            "also listen for other hosts, encrypted, on 18 ports from this one; keys: answermill keys");
  auto& tenants = options.core.tenants;
  std::int64_t in_flight = static_cast<std::int64_t>(tenants.max_in_flight);
  std::int64_t open_jobs = static_cast<std::int64_t>(tenants.max_open_jobs);
  std::int64_t open_streams = static_cast<std::int64_t>(tenants.max_open_streams);
  std::int64_t stream_memory = static_cast<std::int64_t>(options.core.stream_memory);
  constexpr std::int64_t kMost = 10'000'000;
  table
      .add({"tenant-weights",
            {"ANSWERMILL_TENANT_WEIGHTS"},
            "shares of tenants that compete, e.g. a=3,b=0.5; 1 for the others",
            "TENANT=WEIGHT",
            false,
            [&tenants](std::string_view text) { return broker::parse_weights(text, tenants); },
            [&tenants] { return broker::show_weights(tenants); },
            true})
      .integer("tenant-in-flight", &in_flight, 1, kMost, {"ANSWERMILL_TENANT_IN_FLIGHT"}, "JOBS",
               "most jobs of one tenant at workers at once")
      .integer("tenant-open-jobs", &open_jobs, 1, kMost, {"ANSWERMILL_TENANT_OPEN_JOBS"}, "JOBS",
               "open jobs of one tenant beyond which its submissions are refused as busy")
      .integer("tenant-open-streams", &open_streams, 1, kMost, {"ANSWERMILL_TENANT_OPEN_STREAMS"}, "STREAMS",
               "open questions of one tenant beyond which new ones are refused as busy")
      .integer("stream-memory", &stream_memory, 1 << 20, std::int64_t{1} << 40, {"ANSWERMILL_STREAM_MEMORY"},
               "BYTES",
               "memory of answers beyond which ended ones leave early and, at last, new questions wait")
      .flag("check-journal", &check_journal, {}, "say whether the journal is whole, and end")
      .flag("export-journal", &export_journal, {}, "print the journal as lines of JSON, and end");
  const auto loaded = table.load(argc, argv);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 2;
  }
  if (loaded->exit_now) return 0;
  options.core.stream_memory = static_cast<std::size_t>(stream_memory);
  tenants.max_in_flight = static_cast<std::size_t>(in_flight);
  tenants.max_open_jobs = static_cast<std::size_t>(open_jobs);
  tenants.max_open_streams = static_cast<std::size_t>(open_streams);
  log::init("broker");
  if (check_journal) return broker::check_journal(options.data + "/journal.sqlite", stdout);
  if (export_journal) return broker::export_journal(options.data + "/journal.sqlite", stdout);
  if (const auto ran = broker::run_broker(options); !ran) {
    log::error("{}", ran.error().message);
    return 1;
  }
  return 0;
}
