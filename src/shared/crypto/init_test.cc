#include "shared/crypto/init.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/rand.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "shared/crypto/hpke.h"
#include "shared/crypto/kdf.h"
#include "shared/crypto/random.h"
#include "shared/crypto/signature.h"
#include "shared/crypto/test_util.h"

namespace anchorhold::crypto {
namespace {

// From here on this process dies of SIGSYS if it so much as looks at a file.
void ForbidFiles() {
  constexpr std::array kForbidden = {SYS_open,     SYS_openat,     SYS_openat2, SYS_stat,
                                     SYS_lstat,    SYS_newfstatat, SYS_statx,   SYS_access,
                                     SYS_readlink, SYS_readlinkat, SYS_socket,  SYS_execve};
  std::vector<sock_filter> program;
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0));  // seccomp_data.nr
  for (const long number : kForbidden) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(10);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) _exit(11);
}

// Exits with 0 when every operation works.
void UseEverything() {
  const ByteSpan message = AsBytes("message");
  const Ed25519PrivateKey signer = Ed25519PrivateKey::Generate();
  const Ed25519Signature signature = signer.Sign("context", message);
  if (!VerifySignature(signer.public_key(), "context", message, signature).ok()) _exit(20);
  if (VerifySignature(signer.public_key(), "another", message, signature).ok()) _exit(21);
  const HpkePrivateKey recipient = HpkePrivateKey::Generate();
  HpkeSealed sealed = HpkeSeal(recipient.public_key(), {}, {}, message).value();
  if (!HpkeOpen(recipient, sealed.encapsulation, {}, {}, sealed.ciphertext).ok()) _exit(22);
  sealed.ciphertext[0] ^= std::byte{1};
  if (HpkeOpen(recipient, sealed.encapsulation, {}, {}, sealed.ciphertext).ok()) _exit(23);
  if (HpkeSeal(HpkePublicKey{}, {}, {}, message).ok()) _exit(24);
  if (Sha384(message).span().size() + Sha512(message).span().size() != 112) _exit(25);
  Sha256Hasher hasher;
  hasher.Update(message);
  if (hasher.Finish() != Sha256(message)) _exit(26);
  if (DeriveKey(RandomSecret(32), "label", 64).size() != 64) _exit(27);
  SystemRandom random;
  Bytes drawn(1'000'000);
  random.Fill(drawn);
  std::array<unsigned char, 64> from_libcrypto;
  if (RAND_bytes(from_libcrypto.data(), 64) != 1) _exit(28);
  if (RAND_priv_bytes(from_libcrypto.data(), 64) != 1) _exit(29);
}

void InitThenUseEverythingWithoutFiles() {
  if (!InitCrypto().ok()) _exit(1);
  ForbidFiles();
  UseEverything();
  std::thread(UseEverything).join();  // a thread has random generators of its own
  _exit(0);
}

TEST(InitCryptoDeathTest, NothingNeedsAFileAfterwards) {
  // A fresh process, so that nothing but InitCrypto can have set anything up.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(InitThenUseEverythingWithoutFiles(), testing::ExitedWithCode(0), "");
}

TEST(InitCryptoDeathTest, TheTestsSandboxBites) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ForbidFiles();
        (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
        _exit(0);
      },
      testing::KilledBySignal(SIGSYS), "");
}

TEST(InitCrypto, MayBeCalledAgain) {
  EXPECT_TRUE(InitCrypto().ok());
  EXPECT_TRUE(InitCrypto().ok());
}

}  // namespace
}  // namespace anchorhold::crypto
