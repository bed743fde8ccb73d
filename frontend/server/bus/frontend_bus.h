// The frontend's side of the bus on its Asio loop: submits jobs until they are acknowledged, follows topics,
// replays streams, and consumes the `record` stage.
//
// Thread: the loop thread owns all its sockets; every call and callback happens there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shared/bus/dialer.h"
#include "shared/bus/job.h"
#include "shared/messages/events.h"
#include "shared/messages/jobs.h"
#include "shared/messages/query.h"
#include "shared/messages/submit.h"

namespace boost::asio {
class io_context;
}

namespace answermill::frontend {

struct BusEndpoints {
  std::string jobs;           // broker's PULL
  std::string work;           // broker's ROUTER
  std::string events;         // broker's XPUB
  std::string worker_events;  // broker's XSUB
  std::string query;          // broker's query ROUTER
  std::string bus;            // instead of all: "tcp://HOST:PORT" of a broker on another host …
  std::string bus_key;        // … with this key file
};

// Errors: kInvalidArgument, kForbidden, kNotFound; each says what to do.
Result<bus::Dialer> dialer_of(const BusEndpoints& endpoints);

class TopicListener {
 public:
  virtual ~TopicListener() = default;
  // What is alive on the topic; sent after every (re)subscription and after the broker came back.
  virtual void on_snapshot(const messages::Snapshot& snapshot) = 0;
  virtual void on_batch(const messages::StreamBatch& batch) = 0;
  virtual void on_progress(const messages::GroupProgress& progress) = 0;
  virtual void on_beacon(const messages::Beacon& beacon) = 0;
};

class FrontendBus {
 public:
  virtual ~FrontendBus() = default;

  // Sends, and resends every second until acknowledged or `patience_ms` have gone by (then kUnavailable).
  // Fills reply_topic. The job's request_id must be set. A question (spec with a stream) is kept after its
  // acknowledgement and submitted again by StreamHub when the broker comes back without it.
  virtual void submit(messages::Submit submit, std::function<void(const messages::SubmitAck&)> done,
                      int patience_ms = 10000) = 0;
  virtual void cancel(messages::Cancel cancel) = 0;

  // Several listeners may follow one topic; each gets a snapshot of its own first.
  virtual void follow(const std::string& topic, TopicListener& listener) = 0;
  virtual void unfollow(const std::string& topic, TopicListener& listener) = 0;

  virtual void replay(const std::string& stream, std::uint64_t after_seq,
                      std::function<void(const messages::Replayed&)> done) = 0;

  // The newest status of the fleet; boot 0 before the first, and again when the broker is not heard for 3 s.
  virtual const messages::FleetStatus& fleet() const = 0;
  virtual void on_fleet(std::function<void(const messages::FleetStatus&)> changed) = 0;
};

// `record` takes the jobs of the record stage; it may finish them later, from any thread.
std::unique_ptr<FrontendBus> make_frontend_bus(
    boost::asio::io_context& loop, const BusEndpoints& endpoints,
    std::function<void(bus::Job, std::shared_ptr<bus::JobHandle>)> record);

}  // namespace answermill::frontend
