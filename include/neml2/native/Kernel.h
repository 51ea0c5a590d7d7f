// SPDX-License-Identifier: MIT
#ifndef NEML2_NATIVE_KERNEL_H
#define NEML2_NATIVE_KERNEL_H

#include <stdint.h>

/**
 * The boundary of a native package: plain C, plain pointers, nothing to link but the package's shared object.
 *
 *     void *library = dlopen("elasticity_avx2.so", RTLD_NOW);
 *     neml2_native_entry entry = (neml2_native_entry)dlsym(library, NEML2_NATIVE_ENTRY);
 *     const neml2_native_model *model = entry(NEML2_NATIVE_ABI);   // null: another version of this boundary
 *
 *     double strain[6] = {...}, stress[6];
 *     neml2_native_array in[1] = {{strain, 6, 6}}, out[1] = {{stress, 6, 6}};
 *     neml2_native_call call = {0};
 *     call.bytes = sizeof(call);
 *     call.points = call.end = 1;
 *     call.inputs = in, call.n_inputs = 1;
 *     call.outputs = out, call.n_outputs = 1;
 *     if (model->forward(&call) != NEML2_NATIVE_OK)
 *       puts(call.message);
 *
 * A call evaluates the points [begin, end) of a batch of `points` and returns; it starts no threads,
 * allocates nothing and keeps nothing, so that any number of threads can call at once. To share a batch among
 * threads, give each a range whose begin is a multiple of `lanes`, with the same `points`: results do not
 * depend on how a batch is cut. They do depend, by rounding, on `points`: batches of fewer than `wide_from`
 * points are computed one point at a time.
 *
 * Arrays may be fields of one array of structures. A result may lie on an argument where they meet at the
 * same point only, as a new state does that is written over the old one: all of a point is read before
 * anything of it is written. A step that fails cannot be repeated then, as results hold the last iterate.
 * Everything else that overlaps is refused.
 */
#ifdef __cplusplus
extern "C"
{
#endif

#define NEML2_NATIVE_ABI 2
#define NEML2_NATIVE_ENTRY "neml2_native_model_v1"
#define NEML2_NATIVE_MESSAGE_BYTES 256
#define NEML2_NATIVE_MAX_BATCH_AXES 8

  /** What a function returns. Negative: nothing was computed, and call.message says why. */
  enum
  {
    NEML2_NATIVE_OK = 0,
    NEML2_NATIVE_NOT_CONVERGED =
        1, /**< call.failed points found no solution; their outputs hold the last iterate */
    NEML2_NATIVE_BAD_CALL = -1 /**< a size, pointer, range or option that cannot be */
  };

  /** What became of a point. */
  enum
  {
    NEML2_NATIVE_CONVERGED = 0,
    NEML2_NATIVE_MAX_ITERATIONS = 1, /**< iterations used up */
    NEML2_NATIVE_NOT_FINITE = 2,     /**< a residual, or something it is given, that is infinite or NaN */
    NEML2_NATIVE_SINGULAR = 3        /**< a Jacobian that cannot be inverted */
  };

  /** Values of one argument for all points of the batch: where component c of point p is, in elements behind
     `data`, is (p stride + c), unless the tables below say otherwise. Point 0 is that of the whole batch,
     whatever begin is. */
  typedef struct neml2_native_array
  {
    void * data;  /**< double or float, as the model; aligned to that. Null: see the call */
    int64_t size; /**< components of one point, as the model states it; checked */
    int64_t
        stride; /**< elements from point to point; 0: one value for all points (inputs, and those of vjp) */
    const int64_t *
        batch_strides; /**< one for each batch axis, in place of stride, if there are several axes */
    const int64_t * component_offsets; /**< `size` of them; null: components lie side by side */
  } neml2_native_array;

  /** Settings of one nonlinear solver. */
  typedef struct neml2_native_solver
  {
    double abs_tol;          /**< converged where |r| < abs_tol */
    double rel_tol;          /**< or |r| / |r at the start| < rel_tol */
    int32_t max_its;         /**< one more than the updates made at most */
    int32_t line_search;     /**< 0: none, 1: backtracking, 2: strong Wolfe */
    int32_t max_line_search; /**< one more than the trials made */
    int32_t max_substepping; /**< how often a step that fails may be halved */
    int32_t final_update;    /**< 1: points that pass the relative test alone take one more step */
    int32_t reserved;
    double cutback;    /**< what a refused step is divided by */
    double criterion;  /**< of acceptance */
    double update_tol; /**< with substepping: asked of the last update, relative to the unknowns */
  } neml2_native_solver;

  typedef struct neml2_native_call
  {
    int64_t bytes;  /**< sizeof(neml2_native_call) */
    int64_t points; /**< of the whole batch */
    int64_t begin, end;

    int32_t flags;
    int32_t batch_axes;          /**< 0 or 1: points are counted along `stride` */
    const int64_t * batch_sizes; /**< of each axis, if there are several; the last runs fastest */

    const neml2_native_array *
        inputs; /**< inputs, then parameters; a parameter's data may be null: its default */
    const neml2_native_array * outputs;     /**< null data: not stored */
    const neml2_native_array * tangents;    /**< jvp: of each input and parameter; vjp: the cotangent of each
                                               output; null data: zero */
    const neml2_native_array * derivatives; /**< jacobian: a block (output, input), row-major, for each pair;
                                               jvp: one tangent for each output; vjp: the cotangent of each
                                               input and parameter, by way of the pairs. One that all points
                                               share (strides of 0, in batches of several points) gets the sum
                                               over [begin, end) added to it, point by point in order. Null
                                               data: not stored */
    int32_t n_inputs, n_outputs, n_tangents, n_derivatives;

    const neml2_native_solver * solvers; /**< one for each of the model's; null: as compiled */
    int32_t n_solvers;

    int32_t reserved;
    int32_t * status; /**< by point, or null: what became of it */
    int32_t *
        iterations; /**< by point, or null: Newton updates made, by all solvers or by the one that failed */
    double * residual; /**< by point, or null: norm of the last residual */

    int64_t failed;    /**< on return: how many points of the range did not converge */
    uint64_t iterated; /**< on return: bit k is set where solver k has moved a point from its guess */
    char message[NEML2_NATIVE_MESSAGE_BYTES];
  } neml2_native_call;

  /** Flags of a call. */
  enum
  {
    NEML2_NATIVE_TRUSTED = 1,   /**< do not look for overlapping arrays */
    NEML2_NATIVE_PAST_CACHE = 2 /**< outputs are larger than the caches: write past them where possible */
  };

  typedef struct neml2_native_argument
  {
    const char * name;
    const char * type;    /**< "Scalar", "SR2", ... */
    const double * value; /**< of a parameter that is the same for all points: its default; else null */
    int64_t size;         /**< components */
    int32_t axes;         /**< of one point */
    int32_t reserved;
    const int64_t * shape;
  } neml2_native_argument;

  typedef struct neml2_native_pair
  {
    int32_t output, input; /**< numbers; parameters come after the inputs */
  } neml2_native_pair;

  typedef struct neml2_native_model
  {
    int32_t abi;
    int32_t scalar_bytes; /**< 8: double, 4: float */
    int32_t lanes;        /**< points computed side by side */
    int32_t wide_from;    /**< from this many points on */
    const char * name;
    const char * isa;     /**< instructions used: "avx512", "avx2", "generic" */
    int32_t n_inputs;     /**< parameters included */
    int32_t n_parameters; /**< the last ones of the inputs */
    int32_t n_outputs, n_pairs, n_solvers, reserved;
    const neml2_native_argument * inputs;
    const neml2_native_argument * outputs;
    const neml2_native_pair * pairs;
    const neml2_native_solver * solvers;
    int (*forward)(neml2_native_call *);
    int (*jacobian)(neml2_native_call *); /**< null without pairs; so are jvp and vjp */
    int (*jvp)(neml2_native_call *);
    int (*vjp)(neml2_native_call *);
  } neml2_native_model;

  /** The function NEML2_NATIVE_ENTRY of a package. */
  typedef const neml2_native_model * (*neml2_native_entry)(int32_t abi);

#ifdef __cplusplus
}
#endif
#endif
