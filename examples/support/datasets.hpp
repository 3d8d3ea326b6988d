#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_DATASETS_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_DATASETS_HPP

/// \file
/// Readers for the vectors that the demo, the examples and the benchmarks run on, and a seeded
/// generator for when there are none. Not part of the installed library.
///
/// Files are untrusted: no reader allocates more than a small multiple of what the file really
/// holds, and every defect is a std::runtime_error that names the file, the place and what is wrong
/// there. Rows and columns are counted from 0 (they are item ids), lines of text from 1.

#include <Eigen/Core>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace lazygumbel_datasets {

/// One vector per row.
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Dataset {
  std::string name;                 ///< short, fit for a table or a file name
  std::string source;               ///< one sentence for a person: where the rows came from
  Matrix rows;                      ///< n x d
  std::vector<std::string> labels;  ///< the n words of an embedding file, else empty
};

/// No row may be longer than this; a larger dimension in a file is taken as damage.
inline constexpr Eigen::Index max_dimension = Eigen::Index{1} << 20;

/// Reads .fvecs: each row is an int32 dimension d followed by d float32, all little-endian.
///
/// Returns the first min(n, max_rows) rows, n x d; later rows are neither read nor checked.
/// NaN and infinities are passed on (read_vectors refuses them).
/// \throws std::runtime_error unreadable or empty file, d outside 1..max_dimension, a row whose
///         dimension differs from row 0's, a row cut short.
/// \throws std::invalid_argument max_rows < 1.
Matrix read_fvecs(const std::filesystem::path& path,
                  Eigen::Index max_rows = std::numeric_limits<Eigen::Index>::max());

/// Reads a two-dimensional NumPy .npy file, format version 1 to 3, dtype '<f4' or '<f8', C order.
///
/// Returns the array, n x d. Doubles are rounded to float; those beyond float's range become
/// infinite, and NaN and infinities are passed on (read_vectors refuses both).
/// \throws std::runtime_error any other dtype or byte order, Fortran order, other than two
///         dimensions, an empty array, a malformed header, too little or too much data.
Matrix read_npy(const std::filesystem::path& path);

/// Reads word embeddings as text, one "word v1 v2 ... vd" per line (GloVe, fastText, word2vec).
///
/// Tokens are separated by spaces and tabs; blank lines are skipped. A first line of exactly two
/// non-negative integers is word2vec's header "n d" and fixes both. Otherwise the first line fixes
/// d: its longest run of numbers at the end, its first token always being (part of) the word. On
/// every line the last d tokens are the numbers and all before them is the word, which may hold any
/// bytes, even spaces. Numbers below float's range are rounded to 0 (below double's: refused).
/// \throws std::runtime_error with the line number: too few or too many numbers, a token that is
///         no number, a value that is not a finite float, a first line without a word, a number
///         of lines other than the header's n, an empty file.
Dataset read_embeddings_text(const std::filesystem::path& path);

/// Reads a file of vectors of any format above, chosen by its extension: .fvecs, .npy, else text.
/// \throws std::runtime_error as the reader does, and for a NaN or infinite value (row and column).
Dataset read_vectors(const std::filesystem::path& path);

/// Reads images in IDX format (bytes, three dimensions, magic 0x00000803), gzip-compressed or not.
///
/// Returns n x (height * width), pixels row by row, values 0..255.
/// \throws std::runtime_error another magic number, a zero or absurd dimension, too little or too
///         much data, damaged compression (the gzip checksum is verified).
Matrix read_idx_images(const std::filesystem::path& path);

/// Reads labels in IDX format (bytes, one dimension, magic 0x00000801), gzip-compressed or not.
/// \throws std::runtime_error as read_idx_images does.
std::vector<unsigned char> read_idx_labels(const std::filesystem::path& path);

/// The file train-images-idx3-ubyte.gz in the directory $LAZYGUMBEL_FASHION_MNIST or, when that is
/// not set, in /usr/share/datasets/fashion-mnist (Debian package dataset-fashion-mnist), if it is
/// there.
std::optional<std::filesystem::path> fashion_mnist_path();

/// Fashion-MNIST's 60,000 training images, 60000 x 784, centred (column means subtracted), then
/// unit-normalised: inner products are the cosines of the centred images.
/// \throws std::runtime_error fashion_mnist_path() finds nothing, or the file is damaged.
Dataset load_fashion_mnist();

/// $LAZYGUMBEL_DATA/file if it exists, else fallback_directory/file if it exists, else nothing.
std::optional<std::filesystem::path> find_shared_data(
    const std::filesystem::path& file, const std::filesystem::path& fallback_directory = {});

/// n made-up unit vectors in clusters, n x d.
///
///   x_i = normalise(centre_c + spread * s * g_i), where s * g_i is coordinate by coordinate.
///
/// Centres are uniform on the unit sphere. Cluster c = 1..cluster_count is drawn with probability
/// proportional to 1/c (Zipf). g_i is standard Gaussian in d dimensions; s_j^2 is proportional to
/// j^(-3/2), j = 1..d, and sums to 1, so the noise has root-mean-square length `spread` and, like
/// images and words, few effective dimensions.
///
/// The defaults imitate real data. For 60,000 x 784 the mean cosine of a row with its nearest
/// neighbour is 0.90, with its 1000th 0.63 (Fashion-MNIST: 0.87 and 0.69), and at temperature 0.05
/// the 64 best items carry 0.32 of the softmax (Fashion-MNIST: 0.35).
///
/// Reproducible: Gaussians are Box-Muller transforms of counter-based Philox 4x32-10 words. The
/// words are the same everywhere; log, sin and cos of the platform can move the last bit of a
/// float. Row i depends on seed, i, d, cluster_count and spread only: a smaller n gives a prefix.
/// \throws std::invalid_argument n, d or cluster_count < 1, d > max_dimension, spread negative or
///         not finite.
Dataset clusters(Eigen::Index n, Eigen::Index d, std::uint64_t seed,
                 Eigen::Index cluster_count = 64, double spread = 0.8);

/// Divides every row by its Euclidean norm (computed in double).
/// \throws std::invalid_argument a row of zeros, or with a NaN or infinity; names the row. The rows
///         before it are normalised already.
void normalise_rows(Matrix& rows);

/// Subtracts from every column its mean (computed in double). An empty matrix is left alone.
void centre_columns(Matrix& rows);

}  // namespace lazygumbel_datasets

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_DATASETS_HPP
