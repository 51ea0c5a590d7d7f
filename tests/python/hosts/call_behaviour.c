// SPDX-License-Identifier: MIT
/* Loads a generic behaviour by its published layout, as MGIS does: says what its symbols say, then follows a
   history at one point that it reads from standard input. A step that is a trial changes nothing for those
   after it.

       call_behaviour LIBRARY NAME HYPOTHESIS [FORCES] */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state
{
  double *gradients, *forces, *density, *properties, *internal, *stored, *dissipated, *external;
};

struct data
{
  char * message;
  double dt, *K, *rdt, *speed;
  struct state s0, s1;
};

enum
{
  MOST = 2048
};

static void * library;
static const char *law, *hypothesis;

/* A symbol of the law, of the hypothesis before that of all; ends the program where there is none. */
static void * symbol(const char * name, int needed)
{
  char text[300];
  void * found = NULL;
  for (int own = 1; own >= 0 && !found; --own)
  {
    snprintf(text, sizeof text, own ? "%s_%s_%s" : "%s_%s", law, own ? hypothesis : name, name);
    found = dlsym(library, text);
  }
  if (!found && needed)
    fprintf(stderr, "no symbol %s\n", text), exit(1);
  return found;
}

static int number(const char * name)
{
  return *(unsigned short *)symbol(name, 1);
}

/* Numbers that a variable of a type has. */
static int size_of(int type)
{
  static const int sizes[4][3] = {{1, 1, 1}, {6, 4, 3}, {3, 2, 1}, {9, 5, 3}};
  const int column = !strcmp(hypothesis, "Tridimensional")   ? 0
                     : strstr(hypothesis, "AxisymmetricalG") ? 2
                                                             : 1;
  if (type < 4)
    return sizes[type][column];
  return (type & 7) == 5 && (type >> 3 & 7) == 1 ? type >> 6 : -1;
}

/* Prints the variables of a group; returns how many numbers they have. */
static int group(const char * name, int typed)
{
  char text[100];
  snprintf(text, sizeof text, "n%s", name);
  const int count = number(text);
  snprintf(text, sizeof text, "%sTypes", name);
  const int * types = typed && count ? symbol(text, 1) : NULL;
  const char ** names = count ? symbol(name, 1) : NULL;
  int total = 0;
  for (int k = 0; k < count; ++k)
  {
    printf("%s %s %d\n", name, names[k], types ? types[k] : 0);
    total += types ? size_of(types[k]) : 1;
  }
  return total;
}

static void read_numbers(double * to, int count)
{
  for (int k = 0; k < count; ++k)
    if (scanf("%lf", to + k) != 1)
      exit(2);
}

static void print_numbers(const double * from, int count)
{
  for (int k = 0; k < count; ++k)
    printf(" %.17g", from[k]);
}

int main(int argc, char ** argv)
{
  if (argc < 4 || !(library = dlopen(argv[1], RTLD_NOW)))
    return fprintf(stderr, "%s\n", argc < 4 ? "usage" : dlerror()), 1;
  law = argv[2], hypothesis = argv[3];
  static const char * const facts[] = {"mfront_mkt",
                                       "api_version",
                                       "BehaviourType",
                                       "BehaviourKinematic",
                                       "SymmetryType",
                                       "requiresStiffnessTensor",
                                       "requiresThermalExpansionCoefficientTensor",
                                       "nInitializeFunctions",
                                       "nPostProcessings",
                                       "ComputesInternalEnergy",
                                       "ComputesDissipatedEnergy",
                                       "nTangentOperatorBlocks",
                                       "nParameters"};
  for (unsigned k = 0; k < sizeof facts / sizeof *facts; ++k)
    printf("%s %d\n", facts[k], number(facts[k]));
  const char ** blocks = symbol("TangentOperatorBlocks", 1);
  printf("block %s %s\n", blocks[0], blocks[1]);
  printf("law %s\n", *(const char **)symbol("mfront_ept", 1));
  const int gradients = group("Gradients", 1);
  int forces = group("ThermodynamicForces", 1);
  if (argc > 4)
    forces = atoi(argv[4]); /* as the measure that finite strain is asked for has them */
  const int properties = group("MaterialProperties", 0);
  const int internal = group("InternalStateVariables", 1);
  const int external = 1 + group("ExternalStateVariables", 1); /* behind the temperature */
  group("Parameters", 1);

  char function[200];
  snprintf(function, sizeof function, "%s_%s", law, hypothesis);
  int (*integrate)(struct data *);
  *(void **)&integrate = dlsym(library, function);
  if (!integrate)
    return fprintf(stderr, "no function %s\n", function), 1;

  static double a[6][MOST], b[6][MOST], K[MOST];
  char message[512] = "";
  double rdt;
  struct data d = {message,
                   0,
                   K,
                   &rdt,
                   NULL,
                   {a[0], a[1], a[2], a[3], a[4], NULL, NULL, a[5]},
                   {b[0], b[1], b[2], b[3], b[4], NULL, NULL, b[5]}};
  int steps;
  if (sizeof(struct state) != 64 || sizeof d != 168 || scanf("%d", &steps) != 1)
    return 2;
  read_numbers(a[3], properties);
  memcpy(b[3], a[3], sizeof a[3]);
  read_numbers(a[4], internal);
  read_numbers(a[5], external);
  if (number("BehaviourType") == 2)
    a[0][0] = a[0][1] = a[0][2] = 1;
  for (int step = 0; step < steps; ++step)
  {
    double asked[5];
    read_numbers(asked, 5);
    for (int k = 0; k < MOST; ++k)
      K[k] = -7;
    memcpy(K, asked + 2, 3 * sizeof *K);
    d.dt = asked[1];
    rdt = 10;
    read_numbers(b[5], external);
    read_numbers(b[0], gradients);
    memcpy(b[1], a[1], sizeof a[1]);
    memcpy(b[4], a[4], sizeof a[4]);
    const int code = integrate(&d);
    printf("= %d %.17g", code, rdt);
    print_numbers(b[1], forces);
    print_numbers(b[4], internal);
    print_numbers(K, 81);
    printf("\n");
    if (code < 0)
      fprintf(stderr, "%s\n", message);
    if (asked[0] == 0)
      memcpy(a, b, sizeof a);
  }
  return 0;
}
