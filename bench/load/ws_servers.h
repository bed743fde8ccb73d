// The WebSocket servers that benches compare: our edge, the least an epoll server can do, and peers that
// people use.
//
// All do the same: what arrives on a publisher's connection goes to every subscriber as it is.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/load/clients.h"

namespace answermill::bench {

struct Subject {
  std::string name;
  std::function<void(int)> serve;  // for start()
  std::string subscriber = "/ws";  // targets of the two kinds of connections
  std::string publisher = "/ws?publisher";
  std::string needs;  // what to install when it does not start
};

Subject edge_subject();
Subject epoll_subject();   // nothing is checked; one prepared buffer, one send per client and turn
Subject node_subject();    // Node's ws
Subject python_subject();  // Python's websockets and its broadcast()
Subject nchan_subject();   // nginx

}  // namespace answermill::bench
