// Looks at SQLite's write-ahead log before SQLite does. SQLite takes the log up to the first frame whose
// checksum does not fit and silently ignores the rest: right after a power cut, which can tear only the last
// transaction; wrong when a flipped byte hides transactions that were acknowledged.
//
// Thread: any. Source: https://www.sqlite.org/fileformat2.html#walformat
#pragma once

#include <string>

#include "shared/base/result.h"

namespace answermill::broker {

// Good when there is no such file, when every frame fits, or when only one last transaction is torn.
// Errors: kDamaged (committed transactions stand behind a frame that does not fit), kUnavailable.
Status check_wal(const std::string& path);

}  // namespace answermill::broker
