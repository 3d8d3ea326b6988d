#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "datasets.hpp"
#include "file_input.hpp"

namespace lazygumbel_datasets {
namespace {

using detail::fail;

/// A file that zlib decompresses, or passes on unchanged where it is not gzip.
class GzipFile {
 public:
  explicit GzipFile(const std::filesystem::path& path) : path_(path) {
    detail::open_file(path);  // for its clear errors
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) fail(path, "cannot be opened for reading");
    gzbuffer(file_.get(), 1U << 17);
  }

  /// Reads up to `bytes` bytes; fewer at the end of the file only.
  std::size_t read(unsigned char* to, unsigned bytes) {
    const int got = gzread(file_.get(), to, bytes);
    int code = Z_OK;
    const char* const message = gzerror(file_.get(), &code);
    if (got < 0 || code < 0) fail(path_, std::string("damaged compression: ") + message);
    return static_cast<std::size_t>(got);
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

std::uint64_t big_endian_word(const unsigned char* bytes) {
  return bytes[0] * 0x1000000UL + bytes[1] * 0x10000UL + bytes[2] * 0x100UL + bytes[3];
}

/// All that is left, which must be `wanted` bytes. Gathered in steps, so that a false header cannot
/// claim more memory than the file fills.
std::vector<unsigned char> read_rest(GzipFile& file, const std::filesystem::path& path,
                                     std::uint64_t wanted, const std::string& shape) {
  constexpr std::uint64_t step = 1U << 22;
  std::vector<unsigned char> rest;
  while (rest.size() < wanted) {
    const std::size_t before = rest.size();
    const auto bytes = static_cast<unsigned>(std::min(step, wanted - before));
    rest.resize(before + bytes);
    const std::size_t got = file.read(&rest[before], bytes);
    if (got < bytes) {
      fail(path, "truncated: " + shape + " announced, " + std::to_string(before + got) + " of " +
                     std::to_string(wanted) + " bytes present");
    }
  }
  unsigned char extra = 0;
  if (file.read(&extra, 1) != 0) fail(path, "trailing data after " + shape);  // checks the CRC too
  return rest;
}

}  // namespace

Matrix read_idx_images(const std::filesystem::path& path) {
  GzipFile file(path);
  std::array<unsigned char, 16> header{};  // magic, number of images, height, width
  if (file.read(header.data(), header.size()) < header.size()) {
    fail(path, "truncated inside the IDX header");
  }
  if (big_endian_word(header.data()) != 0x00000803) {
    fail(path, "not an IDX file of images (its first four bytes are not 00 00 08 03)");
  }
  const std::uint64_t n = big_endian_word(&header[4]);
  const std::uint64_t height = big_endian_word(&header[8]);
  const std::uint64_t width = big_endian_word(&header[12]);
  const std::uint64_t d = height * width;  // below 2^64
  const std::string shape =
      std::to_string(n) + " images of " + std::to_string(height) + " x " + std::to_string(width);
  if (n == 0 || d == 0 || d > static_cast<std::uint64_t>(max_dimension)) {
    fail(path, "the IDX header announces " + shape);
  }

  using Bytes = Eigen::Matrix<unsigned char, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto pixels = read_rest(file, path, n * d, shape);  // below 2^52
  return Eigen::Map<const Bytes>(pixels.data(), static_cast<Eigen::Index>(n),
                                 static_cast<Eigen::Index>(d))
      .cast<float>();
}

std::vector<unsigned char> read_idx_labels(const std::filesystem::path& path) {
  GzipFile file(path);
  std::array<unsigned char, 8> header{};  // magic, number of labels
  if (file.read(header.data(), header.size()) < header.size()) {
    fail(path, "truncated inside the IDX header");
  }
  if (big_endian_word(header.data()) != 0x00000801) {
    fail(path, "not an IDX file of labels (its first four bytes are not 00 00 08 01)");
  }
  const std::uint64_t n = big_endian_word(&header[4]);
  const std::string shape = std::to_string(n) + " labels";
  if (n == 0) fail(path, "the IDX header announces " + shape);
  return read_rest(file, path, n, shape);
}

std::optional<std::filesystem::path> fashion_mnist_path() {
  const char* const chosen = std::getenv("LAZYGUMBEL_FASHION_MNIST");
  const std::filesystem::path directory =
      chosen != nullptr ? chosen : "/usr/share/datasets/fashion-mnist";
  const auto path = directory / "train-images-idx3-ubyte.gz";
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  return path;
}

Dataset load_fashion_mnist() {
  const auto path = fashion_mnist_path();
  if (!path) {
    throw std::runtime_error(
        "Fashion-MNIST was not found: install the Debian package dataset-fashion-mnist, or set "
        "LAZYGUMBEL_FASHION_MNIST to the directory that holds train-images-idx3-ubyte.gz");
  }
  Dataset data;
  data.rows = read_idx_images(*path);
  centre_columns(data.rows);
  normalise_rows(data.rows);
  data.name = "fashion_mnist";
  data.source =
      "Fashion-MNIST training images, centred and unit-normalised, read from " + path->string();
  return data;
}

}  // namespace lazygumbel_datasets
