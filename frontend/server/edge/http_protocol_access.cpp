// Who is at the other end: tokens, limits, and how a refusal is told.
#include <utility>

#include "frontend/server/edge/admission.h"
#include "frontend/server/edge/answer.h"
#include "frontend/server/edge/http_protocol.h"

namespace answermill::frontend {
namespace {

constexpr Access kStranger{{}, Use::kRequest, true};

Refusal no_token() {
  return {401,
          "The access token is missing or wrong: send it as Authorization: Bearer TOKEN, or open "
          "/?token=TOKEN once."};
}

}  // namespace

// Null: without limits.
std::shared_ptr<Account> HttpProtocol::address_account() const {
  EdgeContext& context = peer_.context();
  if (is_loopback_host(request_.peer) && !context.config.limit_loopback) return nullptr;
  return context.usage->ledger.account(account_of_address(request_.peer), context.now);
}

bool HttpProtocol::authorize(const Access& access) {
  EdgeContext& context = peer_.context();
  const TimePoint now = std::chrono::steady_clock::now();  // finer than the tick: a minute has many requests
  request_.peer = client_address(context.config.trusted_proxies, request_, peer_.address());
  const ShownToken shown = shown_token(context.tokens, request_);
  // The token has done its work; handlers and their logs need not see it.
  const std::string in_query = shown.in_query ? request_.query_value("token").value_or("") : std::string();
  request_.query = query_without(request_.query, "token");
  const bool unknown =
      !shown.grant && needs_token(context.tokens, peer_.scope(), context.config.open_loopback);
  if (unknown && !access.open) {
    ++context.usage->refused.unauthorized;
    // Guesses are requests too.
    const Refusal limited = Caller({}, address_account(), context.usage).use(kStranger, now);
    refuse(limited.refused() ? limited : no_token());
    return false;
  }
  const bool counted_by_token = shown.grant && !context.tokens.is_shared(shown.grant);
  auto account = counted_by_token
                     ? context.usage->ledger.account(account_of_token(shown.grant->token.name), now)
                     : address_account();
  request_.caller = Caller(shown.grant, std::move(account), context.usage);
  exchange_.caller = request_.caller;
  if (shown.in_query && request_.method == "GET" && request_.path == "/") {
    answer(exchange_.number, 303, kHtmlType, {},
           {{"Location", "/"}, {"Set-Cookie", token_cookie(in_query, request_.tls)}});
    return false;
  }
  if (const Refusal refusal = request_.caller.use(access, now); refusal.refused()) {
    refuse(refusal);
    return false;
  }
  return take_seats(access);
}

bool HttpProtocol::take_seats(const Access& access) {
  const Caller& caller = request_.caller;
  PeerSeats& seats = peer_.seats();
  const bool shared = peer_.context().tokens.is_shared(caller.grant());
  if (caller.grant() && !shared && seats.holder != caller.grant()) {
    auto seat = caller.connect();
    if (!seat) {
      constexpr std::chrono::seconds kSoon{5};
      exchange_.keep_alive = false;
      refuse({429, "Your access token has as many connections as one is allowed.", {}, kSoon});
      return false;
    }
    seats.token = std::move(*seat);
    seats.holder = caller.grant();
  }
  if (access.use != Use::kAnswer && access.use != Use::kQuestion) return true;
  auto seat = caller.sit();
  if (!seat) {
    refuse(caller.too_many_answers());
    return false;
  }
  exchange_.seat = std::move(*seat);
  return true;
}

// A WebSocket that came through a proxy of ours is a connection of the client behind it.
bool HttpProtocol::take_forwarded_seat() {
  if (request_.peer == peer_.address()) return true;
  EdgeContext& context = peer_.context();
  auto account = address_account();
  if (!account) return true;
  const std::uint32_t limit = context.config.usage.connections_per_address;
  if (limit != 0 && account->connections >= limit) {
    constexpr std::chrono::seconds kSoon{5};
    ++context.usage->refused.connections;
    refuse({429, "Your address has as many connections as one is allowed.", {}, kSoon});
    return false;
  }
  peer_.seats().address = Seat(std::move(account), &Account::connections);
  return true;
}

// Whole windows of waiting are judged: a burst pays for nothing later.
bool HttpProtocol::upload_too_slow(TimePoint now) {
  const std::size_t rate = limits().upload_bytes_per_second;
  if (rate == 0 || exchange_.body_use != BodyUse::kSink) return false;
  if (!sink_busy_) pace_.waited += now - pace_.looked;
  pace_.looked = now;
  if (pace_.waited < limits().upload_rate_window) return false;
  const double seconds = std::chrono::duration<double>(pace_.waited).count();
  const bool slow = static_cast<double>(pace_.bytes) < static_cast<double>(rate) * seconds;
  if (slow) ++peer_.context().usage->refused.slow_uploads;
  pace_ = {0, {}, now};
  return slow;
}

void HttpProtocol::refuse(const Refusal& refusal, Headers headers) {
  if (exchange_.answer == AnswerState::kStreaming) return peer_.abort();  // too late for another answer
  for (auto& header : refusal_headers(refusal)) headers.push_back(std::move(header));
  if (wants_html(request_)) {
    for (auto& header : page_headers({})) headers.push_back(std::move(header));
    return answer(exchange_.number, refusal.status, kHtmlType, error_html(refusal.status, refusal.reason),
                  headers);
  }
  if (const RefusalWriter* write = peer_.context().routes.refusal_writer(request_.path)) {
    RefusalBody body = (*write)(request_, refusal);
    return answer(exchange_.number, refusal.status, body.content_type, std::move(body.body), headers);
  }
  answer(exchange_.number, refusal.status, kJsonType, error_json(refusal), headers);
}

}  // namespace answermill::frontend
