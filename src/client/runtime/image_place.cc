// The place of the image. `anchorhold model compile` replaces the contents of this section of the
// object file: what is here is only its name.
extern "C" {
extern const unsigned char anchorhold_image[64];
const unsigned char anchorhold_image[64]
    __attribute__((section(".anchorhold_image"), aligned(64), used)) = {0};
}
