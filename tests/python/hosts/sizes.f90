! SPDX-License-Identifier: MIT
! Sizes of the types of the module, and where some members lie, as sizes.c prints them; then a point of Hooke's law.
program sizes
  use neml2_native
  implicit none
  type(neml2_native_array), target :: a
  type(neml2_native_solver), target :: s
  type(neml2_native_call), target :: c
  type(neml2_native_argument), target :: g
  type(neml2_native_pair) :: p
  type(neml2_native_model), target :: m
  character(300) :: path

  print '(i0,1x,i0,1x,i0)', c_sizeof(a), at(c_loc(a), c_loc(a%stride)), at(c_loc(a), c_loc(a%component_offsets))
  print '(i0,1x,i0,1x,i0)', c_sizeof(s), at(c_loc(s), c_loc(s%max_its)), at(c_loc(s), c_loc(s%update_tol))
  print '(i0,1x,i0,1x,i0)', c_sizeof(c), at(c_loc(c), c_loc(c%inputs)), at(c_loc(c), c_loc(c%n_derivatives))
  print '(i0,1x,i0,1x,i0)', at(c_loc(c), c_loc(c%residual)), at(c_loc(c), c_loc(c%iterated)), at(c_loc(c), c_loc(c%message))
  print '(i0,1x,i0,1x,i0)', c_sizeof(g), at(c_loc(g), c_loc(g%size)), at(c_loc(g), c_loc(g%shape))
  print '(i0,1x,i0,1x,i0)', c_sizeof(p), at(c_loc(m), c_loc(m%inputs)), at(c_loc(m), c_loc(m%forward))
  if (c%bytes /= c_sizeof(c)) error stop 'bytes'
  call get_command_argument(1, path)
  call hooke(trim(path))

contains

  integer(c_intptr_t) function at(first, member)
    type(c_ptr), intent(in) :: first, member
    at = transfer(member, at) - transfer(first, at)
  end function

  subroutine hooke(path)
    character(*), intent(in) :: path
    type(neml2_native_model), pointer :: law
    type(neml2_native_array), target :: inputs(1), outputs(1), blocks(1)
    type(neml2_native_call) :: call
    procedure(neml2_native_function), pointer :: jacobian
    real(c_double), target :: strain(6, 3), stress(6, 3), tangent(6, 6, 3)
    character(:), allocatable :: message
    integer :: point

    law => neml2_native_load('/nowhere.so', message)
    if (associated(law)) error stop 'a law from nowhere'
    print '(a)', message
    law => neml2_native_load(path, message)
    if (.not. associated(law)) error stop 'no law'
    print '(a,1x,i0,1x,i0)', neml2_native_text(law%name), neml2_native_number(law%inputs, law%n_inputs, 'strain'), &
      neml2_native_number(law%outputs, law%n_outputs, 'strain')
    strain = 0
    strain(1, :) = [1d-3, 2d-3, 3d-3]
    inputs(1) = neml2_native_array(c_loc(strain), 6, 6)
    outputs(1) = neml2_native_array(c_loc(stress), 6, 6)
    blocks(1) = neml2_native_array(c_loc(tangent), 36, 36)
    call%points = 3
    call%end = 3
    call%inputs = c_loc(inputs)
    call%n_inputs = 1
    call%outputs = c_loc(outputs)
    call%n_outputs = 1
    call%derivatives = c_loc(blocks)
    call%n_derivatives = 1
    call c_f_procpointer(law%jacobian, jacobian)
    if (jacobian(call) /= NEML2_NATIVE_OK) error stop 'refused'
    do point = 1, 3
      print '(3(es24.16))', stress(1:2, point), tangent(1, 1, point)
    end do
    call%n_inputs = 2
    if (jacobian(call) /= NEML2_NATIVE_BAD_CALL) error stop 'accepted'
    print '(a)', neml2_native_message(call)
  end subroutine
end program sizes
