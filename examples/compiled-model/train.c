/* Trains a compiled model on made-up rows, in plain C: two classes, told apart by the sign of the
   sum of a row's first half. README.md says how to build it. */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

#define ROWS 256
#define STEPS 60

/* Evenly distributed in [-1, 1): a linear congruential generator, which is enough for made-up rows
   and for nothing else. */
static float next_number(unsigned long long *state) {
  *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (float)(*state >> 40) / 8388608.0F - 1.0F;
}

static void make_rows(float *inputs, model_label *labels) {
  unsigned long long state = 1;
  size_t row, i;
  for (row = 0; row < ROWS; ++row) {
    float sum = 0;
    for (i = 0; i < MODEL_INPUTS; ++i) {
      const float x = next_number(&state);
      inputs[row * MODEL_INPUTS + i] = x;
      if (2 * i < MODEL_INPUTS) sum += x;
    }
    labels[row] = sum > 0 ? 1 : 0;
  }
}

static double mean(const float *numbers, size_t count) {
  double sum = 0;
  size_t i;
  for (i = 0; i < count; ++i) sum += (double)numbers[i];
  return sum / (double)count;
}

int main(void) {
  static float parameters[MODEL_PARAMETERS], gradient[MODEL_PARAMETERS], velocity[MODEL_PARAMETERS];
  static float inputs[ROWS * MODEL_INPUTS], losses[ROWS];
  static model_label labels[ROWS * MODEL_LABELS];
  const size_t bytes = model_workspace_bytes();
  void *workspace = bytes == 0 ? NULL : malloc(bytes);
  int step;
  if (workspace == NULL || model_open(workspace) != MODEL_OK) {
    fprintf(stderr, "no memory, or a processor without SSE4.2\n");
    return 1;
  }
  make_rows(inputs, labels);
  model_init_parameters(parameters);
  for (step = 0; step < STEPS; ++step) {
    size_t i;
    if (model_loss_and_gradient_sum(workspace, parameters, ROWS, inputs, labels, losses,
                                    gradient) != MODEL_OK) {
      fprintf(stderr, "a label does not fit the model\n");
      return 1;
    }
    for (i = 0; i < MODEL_PARAMETERS; ++i) gradient[i] /= ROWS;
    model_sgd_step(workspace, parameters, gradient, 0.1, 0, 0.9, velocity);
    if (step % 10 == 0 || step == STEPS - 1) printf("step %d loss %.6f\n", step, mean(losses, ROWS));
  }
  free(workspace);
  return 0;
}
