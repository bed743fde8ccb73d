// sd_notify(3) without libsystemd: tells the service manager that we are up and alive. Does nothing outside
// systemd.
#pragma once

namespace answermill::bus {

void notify_ready();
void notify_watchdog();  // call it from the work loop; sends at most every second
void notify_stopping();

}  // namespace answermill::bus
