/* Runs a compiled model on rows in files, and writes all that it gives to files, as raw numbers:

     compiled_model_driver FOLDER EXAMPLES INSTRUCTIONS [CLIP_NORM NOISE_MULTIPLIER]

   reads inputs and labels (dp-train: and noise, of one step), and writes results; unless it was
   compiled for inference, also losses, norms and the whole numbers' sum (dp-train), the gradient,
   and the weights after three steps of SGD with momentum and two of AdamW. INSTRUCTIONS is
   model_open_with's; 0: model_open. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define GUARD 4096

static const char *folder;
static double clip_norm, noise_multiplier;

static void *must(void *memory) {
  if (memory == NULL) {
    fprintf(stderr, "no memory\n");
    exit(1);
  }
  return memory;
}

static FILE *open_in_folder(const char *name, const char *mode) {
  char path[4096];
  FILE *file;
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  file = fopen(path, mode);
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  return file;
}

static void read_all(const char *name, void *to, size_t bytes) {
  FILE *file = open_in_folder(name, "rb");
  if (fread(to, 1, bytes, file) != bytes) {
    fprintf(stderr, "%s is too short\n", name);
    exit(1);
  }
  fclose(file);
}

static void write_all(const char *name, const void *from, size_t bytes) {
  FILE *file = open_in_folder(name, "wb");
  if (fwrite(from, 1, bytes, file) != bytes || fclose(file) != 0) {
    perror(name);
    exit(1);
  }
}

static void check(int code) {
  if (code != MODEL_OK) {
    fprintf(stderr, "the model returned %d\n", code);
    exit(1);
  }
}

#ifndef MODEL_INFER
/* What the optimizers follow: the mean gradient, in dp-train a noised one. */
static void find_gradient(int step, void *workspace, const float *parameters, size_t examples,
                          const float *inputs, const model_label *labels, float *gradient) {
  float *losses = must(calloc(examples + 1, sizeof(float)));
  size_t i;
#ifdef MODEL_DP_TRAIN
  float *norms = must(calloc(examples + 1, sizeof(float)));
  int64_t *sum = must(malloc(MODEL_PARAMETERS * sizeof(int64_t)));
  int64_t *noise = must(malloc(MODEL_PARAMETERS * sizeof(int64_t)));
  read_all("noise", noise, MODEL_PARAMETERS * sizeof(int64_t));
  for (i = 0; i < MODEL_PARAMETERS; ++i) sum[i] = -1; /* to be overwritten */
  check(model_clipped_gradient_sum(workspace, parameters, examples, inputs, labels, clip_norm,
                                   noise_multiplier, losses, norms, sum));
  if (step == 0) {
    write_all("norms", norms, examples * sizeof(float));
    write_all("sum", sum, MODEL_PARAMETERS * sizeof(int64_t));
  }
  for (i = 0; i < MODEL_PARAMETERS; ++i) sum[i] += noise[i];
  check(model_release(sum, clip_norm, noise_multiplier, (double)examples, gradient));
  free(noise);
  free(sum);
  free(norms);
#else
  for (i = 0; i < MODEL_PARAMETERS; ++i) gradient[i] = -1;
  check(model_loss_and_gradient_sum(workspace, parameters, examples, inputs, labels, losses,
                                    gradient));
  for (i = 0; i < MODEL_PARAMETERS; ++i) gradient[i] *= (float)(1.0 / (double)examples);
#endif
  if (step == 0) {
    write_all("losses", losses, examples * sizeof(float));
    write_all("gradient", gradient, MODEL_PARAMETERS * sizeof(float));
  }
  free(losses);
}

static void train(void *workspace, float *parameters, size_t examples, const float *inputs) {
  const size_t size = MODEL_PARAMETERS * sizeof(float);
  model_label *labels = must(malloc(examples * MODEL_LABELS * sizeof(model_label)));
  float *gradient = must(malloc(size));
  float *first = must(calloc(1, size));
  float *second = must(calloc(1, size));
  int step;
  read_all("labels", labels, examples * MODEL_LABELS * sizeof(model_label));
  for (step = 0; step < 5; ++step) {
    size_t i;
    find_gradient(step, workspace, parameters, examples, inputs, labels, gradient);
    if (step < 3) {
      model_sgd_step(workspace, parameters, gradient, 0.05, 0.01, 0.9, first);
      continue;
    }
    if (step == 3) {
      write_all("sgd_weights", parameters, size);
      for (i = 0; i < MODEL_PARAMETERS; ++i) first[i] = 0;
    }
    model_adamw_step(workspace, parameters, gradient, 0.01, 0.9, 0.999, 1e-8, 0.01,
                     (unsigned long long)(step - 2), first, second);
  }
  write_all("weights", parameters, size);
  free(second);
  free(first);
  free(gradient);
  free(labels);
}
#endif

int main(int argc, char **argv) {
  const size_t bytes = model_workspace_bytes();
  if ((argc != 4 && argc != 6) || bytes == 0) {
    fprintf(stderr, "compiled_model_driver FOLDER EXAMPLES INSTRUCTIONS [NORM NOISE]\n");
    return 2;
  }
  folder = argv[1];
  if (argc == 6) {
    clip_norm = strtod(argv[4], NULL);
    noise_multiplier = strtod(argv[5], NULL);
  }
  {
    const size_t examples = (size_t)strtoul(argv[2], NULL, 10);
    const int instructions = atoi(argv[3]);
    size_t i;
    /* The workspace need not be aligned, and nothing is written behind it. */
    char *memory = must(malloc(bytes + 1 + GUARD));
    void *workspace = memory + 1;
    float *parameters = must(malloc(MODEL_PARAMETERS * sizeof(float) + 1));
    float *inputs = must(malloc(examples * MODEL_INPUTS * sizeof(float)));
    float *results = must(malloc(examples * MODEL_RESULTS * sizeof(float)));
    memset(memory + 1 + bytes, 0x5A, GUARD);
    check(instructions == 0 ? model_open(workspace) : model_open_with(workspace, instructions));
    model_init_parameters(parameters);
    read_all("inputs", inputs, examples * MODEL_INPUTS * sizeof(float));
    check(model_forward(workspace, parameters, examples, inputs, results));
    write_all("results", results, examples * MODEL_RESULTS * sizeof(float));
#ifndef MODEL_INFER
    train(workspace, parameters, examples, inputs);
#endif
    for (i = 0; i < GUARD; ++i) {
      if (memory[1 + bytes + i] != 0x5A) {
        fprintf(stderr, "the workspace was overrun\n");
        return 1;
      }
    }
    free(results);
    free(inputs);
    free(parameters);
    free(memory);
  }
  return 0;
}
