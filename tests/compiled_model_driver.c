/* Runs a compiled model on rows in files, and writes all that it gives to files, as raw numbers:
   compiled_model_driver FOLDER EXAMPLES reads inputs and labels, and writes results; unless it was
   compiled for inference, also losses, norms (dp-train), the gradients' sum, and the weights after
   three steps of SGD with momentum and two of AdamW on the mean gradient. */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

#define CLIP_NORM 0.05

static const char *folder;

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
static void sum_gradients(void *workspace, const float *parameters, size_t examples,
                          const float *inputs, const model_label *labels, float *losses,
                          float *norms, float *sum) {
#ifdef MODEL_DP_TRAIN
  check(model_clipped_gradient_sum(workspace, parameters, examples, inputs, labels, CLIP_NORM,
                                   losses, norms, sum));
#else
  (void)norms;
  check(model_loss_and_gradient_sum(workspace, parameters, examples, inputs, labels, losses, sum));
#endif
}

static void train(void *workspace, float *parameters, size_t examples, const float *inputs) {
  const size_t size = MODEL_PARAMETERS * sizeof(float);
  model_label *labels = must(malloc(examples * MODEL_LABELS * sizeof(model_label)));
  float *losses = must(calloc(examples, sizeof(float)));
  float *norms = must(calloc(examples, sizeof(float)));
  float *sum = must(malloc(size));
  float *first = must(calloc(1, size));
  float *second = must(calloc(1, size));
  int step;
  read_all("labels", labels, examples * MODEL_LABELS * sizeof(model_label));
  for (step = 0; step < 5; ++step) {
    size_t i;
    sum_gradients(workspace, parameters, examples, inputs, labels, losses, norms, sum);
    if (step == 0) {
      write_all("losses", losses, examples * sizeof(float));
      write_all("norms", norms, examples * sizeof(float));
      write_all("gradient", sum, size);
    }
    for (i = 0; i < MODEL_PARAMETERS; ++i) sum[i] *= (float)(1.0 / (double)examples);
    if (step < 3) {
      model_sgd_step(workspace, parameters, sum, 0.05, 0.01, 0.9, first);
      continue;
    }
    if (step == 3) {
      write_all("sgd_weights", parameters, size);
      for (i = 0; i < MODEL_PARAMETERS; ++i) first[i] = 0;
    }
    model_adamw_step(workspace, parameters, sum, 0.01, 0.9, 0.999, 1e-8, 0.01,
                     (unsigned long long)(step - 2), first, second);
  }
  write_all("weights", parameters, size);
  free(second);
  free(first);
  free(sum);
  free(norms);
  free(losses);
  free(labels);
}
#endif

int main(int argc, char **argv) {
  const size_t bytes = model_workspace_bytes();
  if (argc != 3 || bytes == 0) {
    fprintf(stderr, "compiled_model_driver FOLDER EXAMPLES\n");
    return 2;
  }
  folder = argv[1];
  {
    const size_t examples = (size_t)strtoul(argv[2], NULL, 10);
    /* One byte too many, so that the workspace need not be aligned. */
    char *memory = must(malloc(bytes + 1));
    void *workspace = memory + 1;
    float *parameters = must(malloc(MODEL_PARAMETERS * sizeof(float) + 1));
    float *inputs = must(malloc(examples * MODEL_INPUTS * sizeof(float)));
    float *results = must(malloc(examples * MODEL_RESULTS * sizeof(float)));
    check(model_open(workspace));
    model_init_parameters(parameters);
    read_all("inputs", inputs, examples * MODEL_INPUTS * sizeof(float));
    check(model_forward(workspace, parameters, examples, inputs, results));
    write_all("results", results, examples * MODEL_RESULTS * sizeof(float));
#ifndef MODEL_INFER
    train(workspace, parameters, examples, inputs);
#endif
    free(results);
    free(inputs);
    free(parameters);
    free(memory);
  }
  return 0;
}
