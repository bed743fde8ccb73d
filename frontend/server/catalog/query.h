// One-line SQL for the catalog's own files: prepare, bind in order, run.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "shared/store/sqlite.h"

namespace answermill::frontend::sql {

template <class Value>
void bind_one(store::Statement& statement, int index, const Value& value) {
  if constexpr (std::is_integral_v<Value> || std::is_enum_v<Value>) {
    statement.bind(index, static_cast<std::int64_t>(value));
  } else {
    statement.bind(index, std::string_view(value));
  }
}

template <class... Values>
Result<store::Statement> query(store::Database& database, std::string_view text, const Values&... values) {
  auto statement = database.prepare(text);
  if (!statement) return statement.error();
  [[maybe_unused]] int index = 0;
  (bind_one(*statement, ++index, values), ...);
  return statement;
}

template <class... Values>
Status run(store::Database& database, std::string_view text, const Values&... values) {
  auto statement = query(database, text, values...);
  if (!statement) return statement.error();
  return statement->run();
}

}  // namespace answermill::frontend::sql
