// Workers of a bench: they take one streaming job each topic from a real broker and keep it alive.
//
// Thread: made and asked on one; its own thread owns the sockets of the workers and their beats.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shared/bus/socket.h"
#include "shared/messages/work.h"

namespace answermill::bench {

// A stream that this bench writes: its id begins with its topic.
struct Written {
  std::string stream;
  std::uint64_t epoch = 0;
  std::uint64_t next_seq = 1;
  std::string topic() const { return stream.substr(0, stream.find('-')); }
};

class Writers {
 public:
  // Submits a question for each of `streams` and takes its job. Throws PeerError when the broker does not
  // give them within a minute.
  Writers(const std::string& jobs_endpoint, const std::string& work_endpoint,
          const std::vector<std::string>& streams);
  ~Writers();
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  const std::vector<Written>& streams() const { return written_; }
  // Events that the relay asked for again: none, unless the bus lost some.
  std::uint64_t resends() const { return resends_; }

 private:
  struct Worker {
    std::unique_ptr<bus::Socket> socket;
    messages::Beat beat;
  };
  void greet(const std::string& work_endpoint, std::size_t index, std::size_t slots);
  void take_leases(std::size_t expected);
  void hear(Worker& worker);
  void beat_until_stopped();

  bus::Context context_;
  std::vector<Worker> workers_;  // the beating thread's, once it runs
  std::vector<Written> written_;
  std::vector<std::string> frames_;
  std::atomic<std::uint64_t> resends_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace answermill::bench
