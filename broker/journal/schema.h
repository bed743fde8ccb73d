// The journal's tables, by version, and the steps from each version to the next.
//
// Version 2: jobs, groups, streams, requests (id, key, value, at, sum), ids growing with age; `meta` holds
// the boot number and, for each table, how many rows it has and the sum of their checksums; `damaged` keeps
// rows whose checksum did not fit. Version 1: the same four tables by key, without checksums.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "shared/base/result.h"
#include "shared/store/sqlite.h"

namespace answermill::broker {

inline constexpr std::int64_t kJournalVersion = 2;

// Makes the tables, or brings those of an older version here, in one transaction. Errors: kUnsupported for a
// newer version, kDamaged.
Status prepare_schema(store::Database& database);

// A named pair of numbers with its own checksum. Errors: kDamaged when it is not there or does not fit.
Result<std::pair<std::int64_t, std::int64_t>> read_meta(store::Database& database, std::string_view name);
// `statement`: INSERT OR REPLACE INTO meta VALUES (?, ?, ?, ?).
Status write_meta(store::Statement& statement, std::string_view name, std::int64_t first,
                  std::int64_t second);

}  // namespace answermill::broker
