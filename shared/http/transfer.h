// One request in flight: a curl easy handle with its callbacks and its own first-byte and idle clocks.
//
// Thread: the client's only. Private to this folder: the one header that shows curl's types.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>

#include "shared/http/client.h"

namespace answermill::http {

using Clock = std::chrono::steady_clock;

class Transfer {
 public:
  Transfer(Handle handle, Request request, Callbacks callbacks, Clock::time_point now);

  // Nothing is sent before this handle is added to a multi handle. Null when curl refused (out of memory).
  CURL* easy() const { return easy_.get(); }
  Handle handle() const { return handle_; }

  // When the first-byte or idle limit will be hit; max() for never.
  Clock::time_point next_timeout() const;

  // Tells the outcome of a transfer curl has finished, or why we ended it. Exactly one of them, once.
  void finish(CURLcode code);
  void finish(Error error);

 private:
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  void configure();
  void configure_body();
  void announce_headers();
  std::size_t take_header(std::string_view line);
  std::size_t take_data(std::string_view bytes);
  std::size_t give_body(char* buffer, std::size_t size);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_write(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);

  Handle handle_;
  Request request_;
  Callbacks callbacks_;
  std::unique_ptr<curl_slist, FreeList> header_list_;
  char error_text_[CURL_ERROR_SIZE] = {};  // curl writes here until easy_ is gone
  std::unique_ptr<CURL, FreeEasy> easy_;
  Headers response_headers_;
  bool headers_announced_ = false;
  bool body_begun_ = false;
  std::uint64_t body_sent_ = 0;
  Clock::time_point last_activity_;
};

}  // namespace answermill::http
