// Block IO figures of v1 and v2.
#include <initializer_list>
#include <utility>

#include "shim/cgroup/files.h"
#include "shim/cgroup/stats.h"

namespace casemate::cgroup {
namespace {

using namespace stats;

Json entry(std::string_view device, std::string_view op, std::uint64_t value) {
  Json one = Json::object();
  const std::size_t colon = device.find(':');
  put_nonzero(one, "major", number(device.substr(0, colon)));
  put_nonzero(one, "minor", number(device.substr(colon + 1)));
  if (!op.empty()) one["op"] = op;
  put_nonzero(one, "value", value);
  return one;
}

// "8:0 Read 4096" or "8:0 12"; the line "Total 4096" belongs to no device.
Json table_v1(const std::optional<std::string>& text) {
  Json out = Json::array();
  if (!text) return out;
  for (const std::string_view line : split(*text, '\n')) {
    const auto columns = words(line);
    const bool device = !columns.empty() && columns[0].find(':') != std::string_view::npos;
    if (device && columns.size() == 3)
      out.push_back(entry(columns[0], columns[1], number(columns[2])));
    if (device && columns.size() == 2) out.push_back(entry(columns[0], "", number(columns[1])));
  }
  return out;
}

// Which scheduler counts differs: the first file that has something to say.
struct Table {
  const char* key;
  std::initializer_list<const char*> files;
};
const Table kTables[] = {
    {"ioServiceBytesRecursive",
     {"blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive",
      "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"}},
    {"ioServicedRecursive",
     {"blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive",
      "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"}},
    {"ioQueueRecursive", {"blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive"}},
    {"ioServiceTimeRecursive",
     {"blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive"}},
    {"ioWaitTimeRecursive", {"blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive"}},
    {"ioMergedRecursive", {"blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive"}},
    {"ioTimeRecursive", {"blkio.bfq.time_recursive", "blkio.time_recursive"}},
    {"sectorsRecursive", {"blkio.bfq.sectors_recursive", "blkio.sectors_recursive"}},
};

}  // namespace

Json block_io_stats_v1(const StatReader& read) {
  Json out = Json::object();
  for (const Table& table : kTables)
    for (const char* file : table.files) {
      Json entries = table_v1(read(file));
      if (entries.empty()) continue;
      out[table.key] = std::move(entries);
      break;
    }
  return out;
}

// io.stat: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
Json block_io_stats_v2(const StatReader& read) {
  static constexpr std::pair<std::string_view, std::pair<const char*, const char*>> kKeys[] = {
      {"rbytes", {"ioServiceBytesRecursive", "Read"}},
      {"wbytes", {"ioServiceBytesRecursive", "Write"}},
      {"dbytes", {"ioServiceBytesRecursive", "Discard"}},
      {"rios", {"ioServicedRecursive", "Read"}},
      {"wios", {"ioServicedRecursive", "Write"}},
      {"dios", {"ioServicedRecursive", "Discard"}}};
  Json out = Json::object();
  const std::string text = read("io.stat").value_or("");
  for (const std::string_view line : split(text, '\n')) {
    const auto columns = words(line);
    for (std::size_t i = 1; i < columns.size(); ++i) {
      const std::size_t equals = columns[i].find('=');
      for (const auto& [key, place] : kKeys)
        if (columns[i].substr(0, equals) == key)
          out[place.first].push_back(
              entry(columns[0], place.second, number(columns[i].substr(equals + 1))));
    }
  }
  return out;
}

}  // namespace casemate::cgroup
