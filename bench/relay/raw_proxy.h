// The limit of the relay bench: bare libzmq between the same two sockets, carrying what it does not look at.
#pragma once

#include <string>

namespace answermill::bench {

// Carries until killed. As zmq_proxy() does, but subscribed to everything like our relay, so that the
// publisher need not match topics. Source: https://libzmq.readthedocs.io/en/zeromq4-1/zmq_proxy.html
int run_raw_proxy(const std::string& in, const std::string& out);

}  // namespace answermill::bench
