! SPDX-License-Identifier: MIT
! neml2/native/Kernel.h for Fortran: its types, constants and functions under their own names; see there for what they mean.
!
!     type(neml2_native_model), pointer :: law
!     type(neml2_native_array), target :: inputs(1), outputs(1)
!     type(neml2_native_call) :: call
!     procedure(neml2_native_function), pointer :: forward
!     real(c_double), target :: strain(6, points), stress(6, points)   ! a point is a column
!
!     law => neml2_native_load('./libsteel.so')                      ! null, and a message if asked for one
!     inputs(1) = neml2_native_array(c_loc(strain), 6, 6)
!     outputs(1) = neml2_native_array(c_loc(stress), 6, 6)
!     call%points = points
!     call%end = points
!     call%inputs = c_loc(inputs)
!     call%n_inputs = 1
!     call%outputs = c_loc(outputs)
!     call%n_outputs = 1
!     call c_f_procpointer(law%forward, forward)
!     if (forward(call) /= NEML2_NATIVE_OK) print *, neml2_native_message(call)
!
! Numbers of arguments are from 0, as in C. Blocks of derivatives are row-major: of stress by strain, Fortran sees the
! transpose.
module neml2_native
  use, intrinsic :: iso_c_binding
  implicit none

  integer(c_int32_t), parameter :: NEML2_NATIVE_ABI = 2
  integer(c_int), parameter :: NEML2_NATIVE_OK = 0, NEML2_NATIVE_NOT_CONVERGED = 1, NEML2_NATIVE_BAD_CALL = -1
  integer(c_int32_t), parameter :: NEML2_NATIVE_CONVERGED = 0, NEML2_NATIVE_MAX_ITERATIONS = 1, &
                                   NEML2_NATIVE_NOT_FINITE = 2, NEML2_NATIVE_SINGULAR = 3
  integer(c_int32_t), parameter :: NEML2_NATIVE_TRUSTED = 1, NEML2_NATIVE_PAST_CACHE = 2

  type, bind(c) :: neml2_native_array
    type(c_ptr) :: data = c_null_ptr
    integer(c_int64_t) :: size = 0, stride = 0
    type(c_ptr) :: batch_strides = c_null_ptr, component_offsets = c_null_ptr
  end type

  type, bind(c) :: neml2_native_solver
    real(c_double) :: abs_tol, rel_tol
    integer(c_int32_t) :: max_its, line_search, max_line_search, max_substepping, final_update, reserved
    real(c_double) :: cutback, criterion, update_tol
  end type

  type, bind(c) :: neml2_native_call
    integer(c_int64_t) :: bytes = 408 !< c_sizeof of this type
    integer(c_int64_t) :: points = 0, begin = 0, end = 0
    integer(c_int32_t) :: flags = 0, batch_axes = 0
    type(c_ptr) :: batch_sizes = c_null_ptr
    type(c_ptr) :: inputs = c_null_ptr, outputs = c_null_ptr, tangents = c_null_ptr, derivatives = c_null_ptr
    integer(c_int32_t) :: n_inputs = 0, n_outputs = 0, n_tangents = 0, n_derivatives = 0
    type(c_ptr) :: solvers = c_null_ptr
    integer(c_int32_t) :: n_solvers = 0, reserved = 0
    type(c_ptr) :: status = c_null_ptr, iterations = c_null_ptr, residual = c_null_ptr
    integer(c_int64_t) :: failed = 0, iterated = 0
    character(kind=c_char) :: message(256) = c_null_char
  end type

  type, bind(c) :: neml2_native_argument
    type(c_ptr) :: name, type, value
    integer(c_int64_t) :: size
    integer(c_int32_t) :: axes, reserved
    type(c_ptr) :: shape
  end type

  type, bind(c) :: neml2_native_pair
    integer(c_int32_t) :: output, input
  end type

  type, bind(c) :: neml2_native_model
    integer(c_int32_t) :: abi, scalar_bytes, lanes, wide_from
    type(c_ptr) :: name, isa
    integer(c_int32_t) :: n_inputs, n_parameters, n_outputs, n_pairs, n_solvers, reserved
    type(c_ptr) :: inputs, outputs, pairs, solvers
    type(c_funptr) :: forward, jacobian, jvp, vjp
  end type

  abstract interface
    function neml2_native_function(call) bind(c) result(code)
      import :: c_int, neml2_native_call
      type(neml2_native_call), intent(inout) :: call
      integer(c_int) :: code
    end function
    function neml2_native_entry(abi) bind(c) result(model)
      import :: c_int32_t, c_ptr
      integer(c_int32_t), value :: abi
      type(c_ptr) :: model
    end function
  end interface

  interface
    function neml2_native_dlopen(path, mode) bind(c, name='dlopen')
      import :: c_char, c_int, c_ptr
      character(kind=c_char), intent(in) :: path(*)
      integer(c_int), value :: mode
      type(c_ptr) :: neml2_native_dlopen
    end function
    function neml2_native_dlsym(library, name) bind(c, name='dlsym')
      import :: c_char, c_funptr, c_ptr
      type(c_ptr), value :: library
      character(kind=c_char), intent(in) :: name(*)
      type(c_funptr) :: neml2_native_dlsym
    end function
    function neml2_native_dlerror() bind(c, name='dlerror')
      import :: c_ptr
      type(c_ptr) :: neml2_native_dlerror
    end function
  end interface

contains

  !> The model of a shared object: of a package, one that this CPU runs (neml2/native/choose.h), or one made with
  !> --interface c, which chooses by itself. Null if there is none; then `message` says why.
  function neml2_native_load(path, message) result(model)
    character(*), intent(in) :: path
    character(:), allocatable, intent(out), optional :: message
    type(neml2_native_model), pointer :: model
    procedure(neml2_native_entry), pointer :: entry
    integer(c_int), parameter :: now = 2
    type(c_ptr) :: library, found
    type(c_funptr) :: symbol

    model => null()
    library = neml2_native_dlopen(path//c_null_char, now)
    if (.not. c_associated(library)) then
      if (present(message)) message = neml2_native_text(neml2_native_dlerror())
      return
    end if
    symbol = neml2_native_dlsym(library, 'neml2_native_model_v1'//c_null_char)
    found = c_null_ptr
    if (c_associated(symbol)) then
      call c_f_procpointer(symbol, entry)
      found = entry(NEML2_NATIVE_ABI)
    end if
    if (c_associated(found)) then
      call c_f_pointer(found, model)
    else if (present(message)) then
      message = path//' is no native package of this version, or has no code for this CPU'
    end if
  end function

  !> The number of an argument from 0, as Kernel.h counts; -1 where the model has none of that name.
  function neml2_native_number(arguments, count, name) result(number)
    type(c_ptr), intent(in) :: arguments
    integer(c_int32_t), intent(in) :: count
    character(*), intent(in) :: name
    type(neml2_native_argument), pointer :: list(:)
    integer :: number

    call c_f_pointer(arguments, list, [count])
    do number = 0, count - 1
      if (neml2_native_text(list(number + 1)%name) == name) return
    end do
    number = -1
  end function

  !> A text of C.
  function neml2_native_text(pointer) result(text)
    type(c_ptr), intent(in) :: pointer
    character(:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    integer :: length, k

    text = ''
    if (.not. c_associated(pointer)) return
    length = 0
    call c_f_pointer(pointer, letters, [huge(1)])
    do while (letters(length + 1) /= c_null_char)
      length = length + 1
    end do
    text = repeat(' ', length)
    do k = 1, length
      text(k:k) = letters(k)
    end do
  end function

  !> What a call that was refused says.
  function neml2_native_message(call) result(text)
    type(neml2_native_call), intent(in), target :: call
    character(:), allocatable :: text

    text = neml2_native_text(c_loc(call%message))
  end function
end module neml2_native
