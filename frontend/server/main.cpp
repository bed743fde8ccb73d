// answermill-frontend: the one process clients talk to.
#include <chrono>
#include <cstdio>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "frontend/server/api/app.h"
#include "shared/bus/notify.h"
#include "shared/log/log.h"

namespace {

// The loop's own sign of life to the service manager: a loop that hangs stops sending it.
void keep_alive(boost::asio::steady_timer& timer) {
  answermill::bus::notify_watchdog();
  timer.expires_after(std::chrono::seconds(1));
  timer.async_wait([&timer](const boost::system::error_code& failed) {
    if (!failed) keep_alive(timer);
  });
}

// SIGHUP, as often as it comes.
void reload_on_hangup(boost::asio::signal_set& hangup, answermill::frontend::App& app) {
  hangup.async_wait([&hangup, &app](const boost::system::error_code& failed, int) {
    if (failed) return;
    app.reload();
    reload_on_hangup(hangup, app);
  });
}

}  // namespace

int main(int argc, char** argv) {
  using namespace answermill;
  frontend::ServerConfig config;
  const auto loaded = frontend::server_table(config).load(argc, argv);
  if (!loaded) return std::fprintf(stderr, "%s\n", loaded.error().message.c_str()), 2;
  if (loaded->exit_now) return 0;
  auto edge = frontend::edge_config(config);
  if (!edge) return std::fprintf(stderr, "%s\n", edge.error().message.c_str()), 2;
  log::init("frontend", config.log_level);
  for (const auto& name : frontend::unused_environment()) {
    log::warn("variable={} is set, but this version has no use for it", name);
  }

  boost::asio::io_context io(1);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  boost::asio::signal_set hangup(io, SIGHUP);
  auto app = frontend::App::start(io, config, std::move(*edge));
  if (!app) return log::error("{}", app.error().message), 1;
  signals.async_wait([&](const boost::system::error_code& failed, int) {
    if (failed) return;
    bus::notify_stopping();
    (*app)->stop([&io] { io.stop(); });
  });
  reload_on_hangup(hangup, **app);
  boost::asio::steady_timer pulse(io);
  bus::notify_ready();
  keep_alive(pulse);
  io.run();
  // What was on its way when the loop stopped refers to the app: let it come to its end first.
  io.restart();
  io.poll();
  return 0;
}
